import uuid

from idstatus.ids import new_id


def test_ids_are_uuids_of_version_7() -> None:
    made = uuid.UUID(new_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_ids_differ_and_their_time_never_falls() -> None:
    ids = [new_id() for _ in range(1_000)]
    times = [made[:13] for made in ids]
    assert len(set(ids)) == len(ids)
    assert times == sorted(times)
