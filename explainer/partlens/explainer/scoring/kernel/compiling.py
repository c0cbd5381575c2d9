"""What the kernel is compiled with: numba, and two pieces of LLVM that numba has no words for."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

LANES = 16 if binding.get_host_cpu_features().get("avx512f") else 8
"""Numbers of a vector of the processor; a narrower one does it in two steps."""
POSITIONS = 4

TARGET: tuple[str, str, str] = cast("Any", cpu_target.target_context).codegen().magic_tuple()
"""The system, the processor and its features that numba compiles for."""
HAS_HALVES = not TARGET[0].startswith(("x86", "i686")) or "+f16c" in TARGET[2].split(",")
"""Whether the processor converts float16. Many virtual and small ones do not; LLVM would then call
a function that is in no library of the process, and end the process."""

_FLOAT, _INDEX, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_POINTER = types.CPointer(types.float32)


def options(*rules: str) -> dict[str, Any]:
    """How numba compiles; see `compiled`."""
    # Nothing divides by zero, and what would check it keeps loops from being vectorised.
    return {"nogil": True, "fastmath": set(rules), "error_model": "numpy"}


def compiled(*rules: str) -> Callable[[Function], Function]:
    """Compile a function that needs no Python object; it may be called without the lock.

    Args:
        rules: what the compiler may do to sums of floats. "contract" rounds a product and a sum
            once; "reassoc" adds in another order, which is the same for the same lengths. Never
            more: infinite numbers and those that are not numbers must stay what they are.
    """

    def decorate(function: Function) -> Function:
        return cast("Function", numba.njit(**options(*rules))(function))

    return decorate


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    return cast("Callable[..., Any]", intrinsic(function))


@_intrinsic
def single(context: Any, value: Any) -> Any:
    """A stored number as float32: the bits of a float16 as uint16, an int8, or a float32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        if value == types.uint16:
            return _widened(builder, number)
        return builder.sitofp(number, _FLOAT) if value == types.int8 else number

    known = value in (types.uint16, types.int8, types.float32)
    return (types.float32(value), generate) if known else None


def _widened(builder: Any, bits: Any) -> Any:
    """A float16 as float32."""
    if HAS_HALVES:
        return builder.fpext(builder.bitcast(bits, ir.HalfType()), _FLOAT)
    return widened_by_integers(builder, bits)


def widened_by_integers(builder: Any, bits: Any) -> Any:
    """The bits of a float16 as float32, on a processor that has no instruction for it."""
    number = builder.zext(bits, _LANE)
    exponent = builder.and_(number, _LANE(0x7C00))
    size = builder.shl(builder.and_(number, _LANE(0x7FFF)), _LANE(13))
    # The exponents of float32 begin 112 lower. This also spreads numbers below the smallest power.
    finite = builder.fmul(builder.bitcast(size, _FLOAT), _FLOAT(2.0**112))
    without_limit = builder.bitcast(builder.or_(size, _LANE(0x7F800000)), _FLOAT)
    is_finite = builder.icmp_unsigned("<", exponent, _LANE(0x7C00))
    absolute = builder.bitcast(builder.select(is_finite, finite, without_limit), _LANE)
    sign = builder.shl(builder.and_(number, _LANE(0x8000)), _LANE(16))
    return builder.bitcast(builder.or_(absolute, sign), _FLOAT)


@_intrinsic
def address(context: Any, array: Any, index: Any) -> Any:
    """Where the number of an index lies, of a contiguous array of float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(made.data, [arguments[1]])

    return _POINTER(array, types.intp), generate


def _multiply(vectors: int) -> Callable[..., Any]:
    """The products of POSITIONS positions with `vectors` vectors of columns.

    Takes the address of the first position, D, and the addresses of the columns [D, vectors *
    LANES] and of the products; a position's products lie `apart` numbers after those of the one
    before. Each product is summed in the same order, whatever else is multiplied.
    """

    @_intrinsic
    def multiply(
        context: Any, positions: Any, depth: Any, columns: Any, products: Any, apart: Any
    ) -> Any:
        signature = types.void(_POINTER, types.intp, _POINTER, _POINTER, types.intp)

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _write_products(builder, vectors, *arguments)
            return context.get_dummy_value()

        return signature, generate

    return multiply


def _write_products(
    builder: Any, vectors: int, positions: Any, depth: Any, columns: Any, products: Any, apart: Any
) -> None:
    grid = [(row, vector) for row in range(POSITIONS) for vector in range(vectors)]
    sums = {at: cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, None)) for at in grid}
    with cgutils.for_range(builder, depth) as loop:
        first = builder.mul(loop.index, _INDEX(LANES * vectors))
        column = [
            _loaded(builder, columns, builder.add(first, _INDEX(LANES * vector)))
            for vector in range(vectors)
        ]
        for row in range(POSITIONS):
            at = builder.add(builder.mul(depth, _INDEX(row)), loop.index)
            factor = _spread(builder, builder.load(builder.gep(positions, [at])))
            for vector in range(vectors):
                product = builder.fmul(factor, column[vector], flags=("contract",))
                total = builder.fadd(builder.load(sums[row, vector]), product, flags=("contract",))
                builder.store(total, sums[row, vector])
    for row, vector in grid:
        at = builder.add(builder.mul(apart, _INDEX(row)), _INDEX(LANES * vector))
        to = builder.bitcast(builder.gep(products, [at]), _VECTOR.as_pointer())
        builder.store(builder.load(sums[row, vector]), to).align = 4


def _loaded(builder: Any, start: Any, index: Any) -> Any:
    found = builder.load(builder.bitcast(builder.gep(start, [index]), _VECTOR.as_pointer()))
    found.align = 4
    return found


def _spread(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, _LANE(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_LANE, LANES), None))


multiply_one, multiply_two, multiply_three = (_multiply(vectors) for vectors in (1, 2, 3))

read_at = types.ExternalFunction(
    "pread", types.int64(types.int32, types.uintp, types.uint64, types.int64)
)
"""The call of the system that reads a part of a file: descriptor, address, bytes and offset."""
