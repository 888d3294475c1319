import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from butaca import hugepages


def mapping(place: str, size: int, resident: int, path: str = "", device: str = "00:00 0") -> str:
    """Return an entry of /proc/self/smaps; sizes are in kB."""
    return (
        f"{place} rw-p 00000000 {device}          {path}\n"
        f"Size: {size} kB\nKernelPageSize: 4 kB\nRss: {resident} kB\n"
        f"Pss: {resident} kB\n"
    )


HEAP = mapping("5559f07fb000-5559f1e12000", 22620, 22548, "[heap]")
ARENAS = mapping("7f80e1100000-7f80e1c00000", 11264, 11264)
NAMED = mapping("7f80e0aff000-7f80e0e00000", 3076, 3040, "[anon:arenas]")
STACK_OF_A_THREAD = mapping("7f80df9a4000-7f80e01a4000", 8192, 16)
LIBRARY = mapping("7f80e7fc6000-7f80e82e7000", 3204, 3204, "/lib/libpython3.13.so", "fe:00 2608")
STACK = mapping("7ffd1a2b0000-7ffd1a2d1000", 132, 132, "[stack]")


@pytest.mark.parametrize(
    ("entry", "start", "size"),
    [
        (HEAP, 0x5559F07FB000, 0x1617000),
        (ARENAS, 0x7F80E1100000, 0xB00000),
        (NAMED, 0x7F80E0AFF000, 0x301000),
    ],
    ids=["heap", "arenas", "named"],
)
def test_a_mapping_that_is_in_memory_is_found(entry: str, start: int, size: int) -> None:
    assert list(hugepages.resident(LIBRARY + entry + STACK)) == [(start, size)]


@pytest.mark.parametrize(
    "entry", [STACK_OF_A_THREAD, LIBRARY, STACK], ids=["thread", "library", "stack"]
)
def test_what_is_empty_or_not_the_heap_is_left_alone(entry: str) -> None:
    assert list(hugepages.resident(entry)) == []


def test_a_system_without_proc_keeps_its_pages(tmp_path: Path) -> None:
    hugepages.back_heap(tmp_path / "smaps")


def test_a_kernel_that_refuses_is_no_error(tmp_path: Path) -> None:
    never_mapped = "1000000000-1000400000"
    (tmp_path / "smaps").write_text(mapping(never_mapped, 4096, 4096))
    hugepages.back_heap(tmp_path / "smaps")


@pytest.mark.skipif(
    tuple(map(int, re.findall(r"\d+", platform.release())[:2])) < (6, 1)
    or not Path("/sys/kernel/mm/transparent_hugepage").exists(),
    reason="MADV_COLLAPSE needs Linux 6.1 with transparent huge pages",
)
def test_a_heap_is_backed_by_huge_pages() -> None:
    program = (
        "from butaca import hugepages\n"
        "kept = [str(number) * 20 for number in range(300_000)]\n"
        "hugepages.back_heap()\n"
        "print(open('/proc/self/smaps_rollup').read())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    (kilobytes,) = re.findall(r"AnonHugePages: +(\d+) kB", told)
    assert int(kilobytes) > 10_000
