"""The host's ports of Gateways."""

import json
from pathlib import Path

from sandbox.gateway.slots import FILE, Slots, door, read

A, B, C = ("models", "a"), ("models", "b"), ("models", "c")


def test_gateways_get_ports_in_order_and_keep_them(tmp_path: Path) -> None:
    slots = Slots(tmp_path, [8001, 8002])
    slots.assign([A, B, C])
    assert read(tmp_path) == {A: 8001, B: 8002}
    assert json.loads((tmp_path / FILE).read_text()) == {"models/a": 8001, "models/b": 8002}
    slots.assign([B, C])
    assert read(tmp_path) == {B: 8002, C: 8001}
    again = Slots(tmp_path, [8001, 8002])
    again.assign([B, C, A])
    assert read(tmp_path) == {B: 8002, C: 8001}
    assert (again.holder(8001), again.holder(8002), again.holder(1)) == (C, B, None)


def test_a_port_that_is_no_longer_ours_is_given_up(tmp_path: Path) -> None:
    Slots(tmp_path, [8001]).assign([A])
    moved = Slots(tmp_path, [9001])
    moved.assign([A])
    assert read(tmp_path) == {A: 9001}


def test_there_is_a_file_as_soon_as_there_is_a_controller(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    Slots(tmp_path, []).assign([])
    assert (tmp_path / FILE).exists()


def test_a_listener_that_is_not_the_first_has_a_name_of_its_own(tmp_path: Path) -> None:
    slots = Slots(tmp_path, [8001, 8002])
    slots.assign([A, door(A, 443)])
    assert read(tmp_path) == {A: 8001, door(A, 443): 8002}
