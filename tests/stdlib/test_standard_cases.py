"""The standard library's own tests of mappings, dict, set, list and queue, pointed at our types.

Each case runs; one that fails must be in the table below, with the reason, and one that is in
the table must fail: what is no longer needed there is an error, too.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

UNSHAREABLE = "stores what cannot be shared: lists, sets, objects of a class of the test"
HOSTILE = "uses keys of a class of the test, with an __eq__, __hash__ or __del__ that does mischief"
SUBCLASS = "makes a subclass; the types of this package cannot be subclassed"
ITERATION = "wants an error when the dict changes under an iteration, which goes on here"
REPR = "wants the repr of a dict or list; ours names the type"
TRACKING = "asks the cycle collector whether it tracks the object"
NAMESPACE = "makes it the __dict__ of an object"
WORDING = "checks the wording of a message; ours is another"
CYCLE = "makes a dict that contains itself, which is not collected"
REFERENCE = "wants a copy out of a pickle, which holds ours by reference"
IDENTITY = "wants the very objects that were put in; equal ones come out"

NOT_FOR_US = {
    "mapping": {
        "TestHashMappingProtocol.test_eq": HOSTILE,
        "TestHashMappingProtocol.test_fromkeys": SUBCLASS,
        "TestHashMappingProtocol.test_getitem": HOSTILE,
        "TestHashMappingProtocol.test_pop": HOSTILE,
        "TestHashMappingProtocol.test_repr": REPR,
        "TestHashMappingProtocol.test_setdefault": UNSHAREABLE,
        "TestMappingProtocol.test_fromkeys": SUBCLASS,
        "TestMappingProtocol.test_setdefault": UNSHAREABLE,
    },
    "dict": {
        "DictTest.test_bad_key": HOSTILE,
        "DictTest.test_clear_at_lookup": HOSTILE,
        "DictTest.test_container_iterator": UNSHAREABLE,
        "DictTest.test_copy_maintains_tracking": UNSHAREABLE,
        "DictTest.test_dict_contain_use_after_free": HOSTILE,
        "DictTest.test_dict_copy_order": SUBCLASS,
        "DictTest.test_dict_items_result_gc": UNSHAREABLE,
        "DictTest.test_dict_items_result_gc_reversed": UNSHAREABLE,
        "DictTest.test_dictitems_contains_use_after_free": UNSHAREABLE,
        "DictTest.test_eq": HOSTILE,
        "DictTest.test_equal_operator_modifying_operand": HOSTILE,
        "DictTest.test_errors_in_view_containment_check": UNSHAREABLE,
        "DictTest.test_free_after_iterating": SUBCLASS,
        "DictTest.test_fromkeys": SUBCLASS,
        "DictTest.test_fromkeys_operator_modifying_dict_operand": HOSTILE,
        "DictTest.test_fromkeys_operator_modifying_set_operand": HOSTILE,
        "DictTest.test_getitem": HOSTILE,
        "DictTest.test_hash_collision_remove_add": HOSTILE,
        "DictTest.test_init_use_after_free": HOSTILE,
        "DictTest.test_invalid_keyword_arguments": SUBCLASS,
        "DictTest.test_merge_and_mutate": HOSTILE,
        "DictTest.test_missing": SUBCLASS,
        "DictTest.test_mutating_iteration": ITERATION,
        "DictTest.test_mutating_iteration_delete": ITERATION,
        "DictTest.test_mutating_iteration_delete_over_items": ITERATION,
        "DictTest.test_mutating_iteration_delete_over_values": ITERATION,
        "DictTest.test_mutating_lookup": HOSTILE,
        "DictTest.test_oob_indexing_dictiter_iternextitem": UNSHAREABLE,
        "DictTest.test_overwrite_managed_dict": UNSHAREABLE,
        "DictTest.test_pop": HOSTILE,
        "DictTest.test_reentrant_insertion": UNSHAREABLE,
        "DictTest.test_repr": REPR,
        "DictTest.test_resize2": HOSTILE,
        "DictTest.test_reversed_dict_keys_changed_during_iteration": ITERATION,
        "DictTest.test_setdefault": UNSHAREABLE,
        "DictTest.test_setdefault_atomic": HOSTILE,
        "DictTest.test_setitem_atomic_at_resize": HOSTILE,
        "DictTest.test_store_evilattr": NAMESPACE,
        "DictTest.test_str_nonstr": HOSTILE,
        "DictTest.test_string_keys_can_track_values": CYCLE,
        "DictTest.test_track_dynamic": TRACKING,
        "DictTest.test_track_literals": TRACKING,
        "DictTest.test_track_subtypes": SUBCLASS,
        "DictTest.test_unhashable_key": WORDING,
        "DictTest.test_update_shared_keys": HOSTILE,
        "DictTest.test_update_type_error": WORDING,
        "DictTest.test_views_mapping": SUBCLASS,
    },
    "set": {
        "TestCopyingNested.test_copy": IDENTITY,
        "TestCopyingSingleton.test_copy": IDENTITY,
        "TestCopyingTriple.test_copy": IDENTITY,
        "TestCopyingTuple.test_copy": IDENTITY,
        "TestExceptionPropagation.test_changingSizeWhileIterating": ITERATION,
        "TestSet.test_badcmp": HOSTILE,
        "TestSet.test_container_iterator": UNSHAREABLE,
        "TestSet.test_cyclical_repr": UNSHAREABLE,
        "TestSet.test_deepcopy": UNSHAREABLE,
        "TestSet.test_do_not_rehash_dict_keys": HOSTILE,
        "TestSet.test_free_after_iterating": SUBCLASS,
        "TestSet.test_gc": UNSHAREABLE,
        "TestSet.test_hash_collision_remove_add": HOSTILE,
        "TestSet.test_subclass_with_custom_hash": SUBCLASS,
        "TestSet.test_unhashable_element": WORDING,
        "TestWeirdBugs.test_8420_set_merge": HOSTILE,
        "TestWeirdBugs.test_hash_collision_concurrent_add": HOSTILE,
        "TestWeirdBugs.test_merge_and_mutate": HOSTILE,
    },
    "mixed": {
        "TestSet.test_badcmp": HOSTILE,
        "TestSet.test_cyclical_repr": UNSHAREABLE,
        "TestSet.test_deepcopy": UNSHAREABLE,
        "TestSet.test_do_not_rehash_dict_keys": HOSTILE,
        "TestSet.test_free_after_iterating": SUBCLASS,
        "TestSet.test_hash_collision_remove_add": HOSTILE,
        "TestSet.test_pickling": SUBCLASS,
        "TestSet.test_subclass_with_custom_hash": SUBCLASS,
    },
    "sequence": {
        "CommonTest.test_addmul": SUBCLASS,
        "CommonTest.test_contains_fake": UNSHAREABLE,
        "CommonTest.test_contains_order": UNSHAREABLE,
        "CommonTest.test_copy": UNSHAREABLE,
        "CommonTest.test_count": UNSHAREABLE,
        "CommonTest.test_free_after_iterating": SUBCLASS,
        "CommonTest.test_getitemoverwriteiter": SUBCLASS,
        "CommonTest.test_index": UNSHAREABLE,
        "CommonTest.test_mul": SUBCLASS,
        "CommonTest.test_pickle": REFERENCE,
        "CommonTest.test_remove": UNSHAREABLE,
        "CommonTest.test_repr": REPR,
    },
    "list": {
        "ListTest.test_count_index_remove_crashes": UNSHAREABLE,
        "ListTest.test_equal_operator_modifying_operand": UNSHAREABLE,
        "ListTest.test_keywords_in_subclass": SUBCLASS,
        "ListTest.test_lt_operator_modifying_operand": UNSHAREABLE,
        "ListTest.test_no_comdat_folding": SUBCLASS,
        "ListTest.test_repr_large": REPR,
        "ListTest.test_repr_mutate": UNSHAREABLE,
        "ListTest.test_reversed_pickle": REFERENCE,
    },
    "queue": {},
}
# Which module they are in, and how many of them pass at least.
MODULES = {
    "mapping": ("test.mapping_tests", 45),
    "dict": ("test.test_dict", 45),
    "set": ("test.test_set", 350),
    "mixed": ("test.test_set", 40),
    "sequence": ("test.list_tests", 30),
    "list": ("test.test_list", 10),
    "queue": ("test.test_queue", 24 if sys.version_info >= (3, 13) else 6),
}


def where():
    """Where the package `test` lies if this Python was installed without it; or nothing."""
    path = os.environ.get("SHAREDOBJ_STDLIB_TESTS")
    return [path] if path else []


def available(module):
    try:
        return bool(where()) or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("which", NOT_FOR_US)
def test_cases_of_the_standard_library(which, run_python):
    module, most = MODULES[which]
    if not available(module):
        version = "{}.{}".format(*sys.version_info)
        pytest.skip(
            f"{module} is not installed with this Python (on Debian it is in "
            f"libpython{version}-testsuite), and SHAREDOBJ_STDLIB_TESTS names no folder with it"
        )
    script = Path(__file__).with_name("shared_cases.py")
    found = json.loads(run_python(script=script, args=[which, *where()]).stdout)
    table = NOT_FOR_US[which]
    failed = {name for name, (outcome, _) in found.items() if outcome in ("failed", "left")}
    wrong = [f"{name}: {found[name]}" for name in sorted(failed - table.keys())]
    wrong += [f"{name} need not be in the table: {found[name]}"
              for name in sorted(table.keys() & found.keys() - failed)]  # fmt: skip
    assert not wrong, "\n".join(wrong)
    assert len(found) - len(failed) >= most, "most cases count"
