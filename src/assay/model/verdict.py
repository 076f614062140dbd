"""Is what a pickle fetches needed to hold weights, unknown, or a way to run a command?"""

from __future__ import annotations

import re
from typing import Literal

from assay.model.opcodes import UNKNOWN, Fetched

Danger = Literal["harmless", "unknown", "dangerous"]

# Modules with which a loaded file can run code, reach files, processes or the network, or fetch more of any of these.
DANGEROUS_MODULES = frozenset(
    [
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "socket",
        "shutil",
        "runpy",
        "importlib",
        "pty",
        "commands",
        "popen2",
        "code",
        "codeop",
        "ctypes",
        "_ctypes",
        "cffi",
        "webbrowser",
        "pip",
        "http",
        "urllib",
        "urllib2",
        "urllib3",
        "requests",
        "ftplib",
        "smtplib",
        "ssl",
        "asyncio",
        "multiprocessing",
        "threading",
        "_thread",
        "signal",
        "pdb",
        "bdb",
        "timeit",
        "profile",
        "cProfile",
        "trace",
        "platform",
        "tempfile",
        "pathlib",
        "io",
        "_io",
        "builtins",
        "__builtin__",
        "pickle",
        "_pickle",
        "dill",
        "cloudpickle",
        "joblib",
        "marshal",
        "types",
        "operator",
        "functools",
        "site",
        "sysconfig",
        "venv",
        "distutils",
        "setuptools",
        "inspect",
        "gc",
        "linecache",
        "pkgutil",
        "zipimport",
        "idlelib",
        "test",
        "doctest",
        "torch.hub",
        "torch.jit",
        "torch._inductor",
        "torch.utils.cpp_extension",
        "numpy.testing",
        "numpy.f2py",
        "numpy.distutils",
        "numpy.ctypeslib",
        "numpy.lib.npyio",
        "numpy.lib._npyio_impl",
        "numpy.lib._datasource",
        "pandas.io",
        "pandas.core.computation",
        "scipy.io",
        "scipy.datasets",
        "sklearn.datasets",
        "sklearn.externals",
        "sklearn.utils.discovery",
    ]
)
# Names of those modules that hold or make plain values.
HARMLESS = frozenset(
    [
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.frozenset",
        "builtins.int",
        "builtins.float",
        "builtins.bool",
        "builtins.str",
        "builtins.bytes",
        "builtins.bytearray",
        "builtins.complex",
        "builtins.slice",
        "builtins.range",
        "builtins.object",
        "__builtin__.frozenset",
        "__builtin__.complex",
        "__builtin__.xrange",
        "__builtin__.dict",
        "__builtin__.list",
        "__builtin__.set",
        "__builtin__.object",
        "__builtin__.slice",
        "__builtin__.long",
        "__builtin__.unicode",
        "__builtin__.bytearray",
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.Counter",
        "collections.deque",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "_codecs.encode",
        "datetime.datetime",
        "datetime.date",
        "datetime.timedelta",
        "decimal.Decimal",
        "fractions.Fraction",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.core.numeric._frombuffer",
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__bit_generator_ctor",
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_sparse_tensor",
        "torch.per_tensor_affine",
        "torch.per_channel_affine",
        "torch._utils._rebuild_parameter_with_state",
        "torch.Size",
        "torch.device",
        "torch.dtype",
        "torch.serialization._get_layout",
        "torch._tensor._rebuild_from_type_v2",
        "torch.Tensor",
        "torch.nn.parameter.Parameter",
        "torch.nn.Parameter",
        "torch.storage.UntypedStorage",
        "torch.storage.TypedStorage",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "torch.jit._pickle.build_intlist",
        "torch.jit._pickle.build_tensorlist",
        "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_tensor_from_id",
        "torch.jit._pickle.restore_type_tag",
    ]
)
HARMLESS_ENDINGS = ("Storage",)  # torch.FloatStorage and its kin
TORCH_TYPES = re.compile(r"q?u?int(4x2|2x4|8|16|32|64)|b?float(8_\w+|16|32|64)|complex(32|64|128)|bool")
# Functions with which any library reads other files, writes, runs a command or a text, or fetches more by name.
REACHING = frozenset(
    [
        "check_call",
        "check_output",
        "call",
        "run",
        "system",
        "popen",
        "Popen",
        "eval",
        "exec",
        "execfile",
        "compile",
        "query",
        "import_module",
        "__import__",
        "load_module",
        "getattr",
        "getattr_static",
        "attrgetter",
        "methodcaller",
        "open",
        "load",
        "loads",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "fromregex",
        "memmap",
        "open_memmap",
        "read_array",
        "DataSource",
        "dump",
        "save",
        "savez",
        "savez_compressed",
        "savetxt",
        "tofile",
        "write_array",
        "read_pickle",
        "to_pickle",
        "read_csv",
        "to_csv",
        "read_sql",
        "urlopen",
        "urlretrieve",
        "load_library",
        "LowLevelCallable",
    ]
)
OF_TESTS = frozenset(["testing", "_testing", "_testutils", "tests", "conftest"])  # modules that run commands and write files to try things
# Libraries whose estimators a scikit-learn pickle holds: needed by a load, but their own code then runs.
LIBRARIES = ("sklearn.", "scipy.", "numpy.", "torch.nn.", "xgboost.", "lightgbm.", "catboost.", "pandas.core.")


def danger(fetched: Fetched) -> Danger:
    """What fetching (and then, as a rule, calling) this object means.

    >>> danger(Fetched("os", "system", 0)), danger(Fetched("collections", "OrderedDict", 0)), danger(Fetched("my.code", "Net", 0))
    ('dangerous', 'harmless', 'unknown')
    """
    if fetched.path in HARMLESS or (fetched.module == "torch" and fetched.name.endswith(HARMLESS_ENDINGS)):
        return "harmless"
    if fetched.module == "torch" and TORCH_TYPES.fullmatch(fetched.name):
        return "harmless"
    if UNKNOWN in (fetched.module, fetched.name):
        return "dangerous"
    parts = fetched.module.split(".")
    if any(".".join(parts[: i + 1]) in DANGEROUS_MODULES for i in range(len(parts))):
        return "dangerous"
    if any(part in DANGEROUS_MODULES for part in fetched.name.split(".")[:-1]):
        return "dangerous"  # a dotted name walks from one module into another: numpy.os.system
    if of_library(fetched) and (fetched.name.rpartition(".")[2] in REACHING or OF_TESTS.intersection(parts)):
        return "dangerous"
    return "unknown"


def of_library(fetched: Fetched) -> bool:
    """Whether a well-known library defines it: a load runs that library's code, which is not this file's."""
    return fetched.path.startswith(LIBRARIES)
