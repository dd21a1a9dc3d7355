-- Of ids of deleted tasks, only those may hear who may know of their queue; '' if it is not known.
ALTER TABLE idstatus.used_ids ADD COLUMN queue text NOT NULL DEFAULT '';
