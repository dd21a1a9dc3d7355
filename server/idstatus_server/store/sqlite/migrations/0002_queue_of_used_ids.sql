-- Of ids of deleted tasks, only those may hear who may know of their queue; '' if it is not known.
ALTER TABLE used_ids ADD COLUMN queue TEXT NOT NULL DEFAULT '';
