"""Machine-level helpers for Numba kernels: unchecked loads and bit scans. No domain knowledge.

Numba's own indexing tests every signed index for wrap-around; in byte scanners that test costs a
third of the time.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def _cache_directory() -> Path:
    """Where compiled kernels are kept: a directory named by the source of all of them.

    Numba tells a stale kernel by its own file only, but a kernel has the functions and constants
    of other files compiled into it.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        if source.parent.name == "books" or b"imbalance.kernels import" in text:
            digest.update(text)
    name = f"kernels-{digest.hexdigest()[:16]}"
    beside = package / "__pycache__"
    if os.access(beside if beside.exists() else package, os.W_OK):
        return beside / name
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return user / "imbalance" / name


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = str(_cache_directory())

jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=True)
"""How every kernel is compiled: cached on disk, without the interpreter's lock. That it may
allocate is said outright, because a callee otherwise takes over its caller's word on it."""

bare = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
"""As `jit`, for functions which allocate nothing: their arrays are not reference-counted. A call
that hands on thirty arrays costs 0.5 µs in atomic counts otherwise, more than its work."""

inline = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
"""As `bare`, for small functions which must be inlined into their caller."""


def read_only(array: Any, kind: Any) -> Any:
    """The same as the one type of array that a kernel is compiled for: contiguous, of that kind,
    and not to be written, as those of Arrow are and those of NumPy are not.
    """
    view = np.ascontiguousarray(array, kind).view()
    view.flags.writeable = False
    return view


@intrinsic
def peek(typing_context: Any, array: Any, index: Any) -> Any:
    """Element of a contiguous array, counted through all its axes, at a non-negative index, without
    any test.
    """
    if not isinstance(array, types.Array):
        return None
    signature = array.dtype(array, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.gep(view.data, [args[1]])
        return context.unpack_value(builder, sig.args[0].dtype, pointer)

    return signature, generate


@intrinsic
def peek_word(typing_context: Any, array: Any, index: Any) -> Any:
    """Eight bytes of a contiguous uint8 array from a non-negative index on, without any test; the
    first byte is the lowest.
    """
    if not isinstance(array, types.Array) or array.dtype != types.uint8:
        return None
    signature = types.uint64(array, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        word = ir.IntType(64)
        pointer = builder.bitcast(builder.gep(view.data, [args[1]]), word.as_pointer())
        return builder.load(pointer, align=1)

    return signature, generate


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of an element of a contiguous array, counted through all its axes, and
    go on without waiting for it.
    """
    if not isinstance(array, types.Array):
        return None
    signature = types.void(array, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            "llvm.prefetch.p0",
        )
        where = builder.bitcast(builder.gep(view.data, [args[1]]), byte)
        # to be read or written, into the nearest cache, as data
        builder.call(function, [where, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return signature, generate


def _sum_in_lanes(builder: Any, loaded: list[Any]) -> Any:
    """Sum of vectors, by halves, and of their lanes, by halves: one order on every processor."""
    while len(loaded) > 1:
        loaded = [builder.fadd(*loaded[k : k + 2]) for k in range(0, len(loaded), 2)]
    lanes = [builder.extract_element(loaded[0], ir.Constant(ir.IntType(32), k)) for k in range(8)]
    while len(lanes) > 1:
        lanes = [builder.fadd(*lanes[k : k + 2]) for k in range(0, len(lanes), 2)]
    return lanes[0]


def _load_64(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> list[Any]:
    view = context.make_array(kind)(context, builder, array)
    eight = ir.VectorType(ir.DoubleType(), 8)
    places = [builder.add(index, ir.Constant(index.type, 8 * k)) for k in range(8)]
    pointers = [builder.bitcast(builder.gep(view.data, [k]), eight.as_pointer()) for k in places]
    return [builder.load(pointer, align=8) for pointer in pointers]


@intrinsic
def sum_of_64(typing_context: Any, array: Any, index: Any) -> Any:
    """Σ of 64 doubles of a contiguous array from a non-negative index on, without any test; eight
    lanes wide, always in the same order.
    """
    signature = types.float64(array, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _sum_in_lanes(builder, _load_64(context, builder, sig.args[0], *args))

    return signature, generate


@intrinsic
def product_of_64(typing_context: Any, array: Any, index: Any, weights: Any, first: Any) -> Any:
    """Σ of the products of 64 doubles with as many weights, as `sum_of_64`."""
    signature = types.float64(array, types.intp, weights, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left = _load_64(context, builder, sig.args[0], *args[:2])
        right = _load_64(context, builder, sig.args[2], *args[2:])
        products = [builder.fmul(*pair) for pair in zip(left, right, strict=True)]
        return _sum_in_lanes(builder, products)

    return signature, generate


def _bit_scan(name: str) -> Any:
    @intrinsic
    def scan(typing_context: Any, word: Any) -> Any:
        signature = types.int64(types.uint64)

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            i64 = ir.IntType(64)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(i64, [i64, ir.IntType(1)]), f"llvm.{name}.i64"
            )
            return builder.call(function, [args[0], ir.Constant(ir.IntType(1), 1)])

        return signature, generate

    return scan


trailing_zeros = _bit_scan("cttz")
leading_zeros = _bit_scan("ctlz")
