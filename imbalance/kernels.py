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
def poke(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Set the element which `peek` gives."""
    if not isinstance(array, types.Array):
        return None
    signature = types.void(array, types.intp, array.dtype)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = context.make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.gep(view.data, [args[1]])
        context.pack_value(builder, sig.args[0].dtype, args[2], pointer)
        return context.get_dummy_value()

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


def _splat(element: Any, lanes: int, value: int) -> Any:
    return ir.Constant(ir.VectorType(element, lanes), [value] * lanes)


def _numbers_of_digits(builder: Any, digits: Any) -> Any:
    """Of each of four words of eight digits 0 to 9, the first the lowest byte, the number."""
    for bits, tens in ((16, 10), (32, 100)):
        lanes = 256 // bits
        one = ir.IntType(bits)
        # both halves of a lane in one product: what the upper half adds beyond the lane is cut off
        both = _splat(one, lanes, (tens << bits // 2) + 1)
        digits = builder.mul(builder.bitcast(digits, ir.VectorType(one, lanes)), both)
        digits = builder.lshr(digits, _splat(one, lanes, bits // 2))
    word = ir.IntType(64)
    digits = builder.bitcast(digits, ir.VectorType(word, 4))
    lower = builder.and_(digits, _splat(word, 4, 0xFFFFFFFF))
    upper = builder.lshr(digits, _splat(word, 4, 32))
    return builder.add(builder.mul(lower, _splat(word, 4, 10_000)), upper)


def _quotients(builder: Any, numbers: Any, powers: Any, divisors: Any) -> Any:
    """(x p + y) / q of the first and third, second and fourth of four whole numbers."""
    small = builder.trunc(numbers, ir.VectorType(ir.IntType(32), 4))
    real = builder.sitofp(small, ir.VectorType(ir.DoubleType(), 4))
    places = ir.VectorType(ir.IntType(32), 2)
    left = builder.shuffle_vector(real, real, ir.Constant(places, [0, 1]))
    right = builder.shuffle_vector(real, real, ir.Constant(places, [2, 3]))
    return builder.fdiv(builder.fadd(builder.fmul(left, powers), right), divisors)


@intrinsic
def two_quotients(typing_context: Any, words: Any, masks: Any, powers: Any, divisors: Any) -> Any:
    """Two numbers, each of two words of digits: (first word × power + second word) / divisor.

    Parameters
    ----------
    words : four times eight characters, the first the lowest byte: the first words of both
        numbers, then the second ones; the digits at the end of each.
    masks : of each word, the bytes which are digits.
    powers, divisors : two float64 each.

    Returns
    -------
    foreign, first, second : not zero where a byte of a number is no digit; the two numbers, which
        only the division rounds if there are at most fifteen digits.
    """
    signature = types.Tuple((types.int32, types.float64, types.float64))(
        words, masks, powers, divisors
    )

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def vector(packed: Any, element: Any, count: int) -> Any:
            made = ir.Constant(ir.VectorType(element, count), ir.Undefined)
            for k in range(count):
                one = builder.extract_value(packed, k)
                made = builder.insert_element(made, one, ir.Constant(ir.IntType(32), k))
            return made

        byte, word = ir.IntType(8), ir.IntType(64)
        digits = builder.xor(vector(args[0], word, 4), _splat(word, 4, 0x3030303030303030))
        digits = builder.and_(digits, vector(args[1], word, 4))
        digits = builder.bitcast(digits, ir.VectorType(byte, 32))
        above = builder.or_(builder.add(digits, _splat(byte, 32, 0x76)), digits)
        above = builder.icmp_signed("<", above, _splat(byte, 32, 0))
        foreign = builder.bitcast(above, ir.IntType(32))
        quotients = _quotients(
            builder, _numbers_of_digits(builder, digits),
            *(vector(both, ir.DoubleType(), 2) for both in args[2:]),
        )  # fmt: skip
        first, second = (
            builder.extract_element(quotients, ir.Constant(ir.IntType(32), k)) for k in range(2)
        )
        return context.make_tuple(builder, sig.return_type, (foreign, first, second))

    return signature, generate


@intrinsic
def within_64(typing_context: Any, array: Any, index: Any, bounds: Any, first: Any) -> Any:
    """Whether of 64 bytes of a contiguous uint8 array from a non-negative index on each, less the
    one of `bounds` from `first` on, is at most the one 64 further; without any test.
    """
    signature = types.boolean(array, types.intp, bounds, types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def load(kind: Any, array: Any, index: Any) -> Any:
            view = context.make_array(kind)(context, builder, array)
            lanes = ir.VectorType(ir.IntType(8), 64).as_pointer()
            return builder.load(builder.bitcast(builder.gep(view.data, [index]), lanes), align=1)

        text = load(sig.args[0], *args[:2])
        least = load(sig.args[2], *args[2:])
        span = load(sig.args[2], args[2], builder.add(args[3], ir.Constant(args[3].type, 64)))
        beyond = builder.icmp_unsigned(">", builder.sub(text, least), span)
        found = builder.bitcast(beyond, ir.IntType(64))
        return builder.icmp_unsigned("==", found, ir.Constant(ir.IntType(64), 0))

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
            return builder.call(function, [args[0], ir.Constant(ir.IntType(1), 0)])

        return signature, generate

    return scan


trailing_zeros = _bit_scan("cttz")
leading_zeros = _bit_scan("ctlz")
"""Of a word: 64 where no bit is set."""
