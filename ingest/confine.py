"""What a worker process puts on itself before it opens its document, layer by layer.

- `namespace`: a network namespace without any network (Linux, where the system allows one);
- `landlock`: reads its document, the interpreter and the libraries, writes its temporary folder, opens no other file;
  no TCP, no abstract sockets, no signals to others (Linux from 5.13; later kernels do more of it);
- `seccomp`: no sockets, no new process or program, no tracing or signalling of others, no change of a file's rights,
  owner or times (Linux on x86-64 and ARM64);
- `limits`: memory (Linux), processor time, size of a file written, open files (Unix).

A layer that the system lacks is left out and the others stay. On Linux the worker also gives up all of root's
capabilities but that of reading every file, and can gain none.

Covered: a parser taken over by its document reads no other file of the user's, sends nothing anywhere, touches no
other process, and leaves nothing behind.
Not covered: names, sizes and times of files it can guess the path of; a home that lies among Python's own packages
(as beside a copy installed without `--editable`); many files that together fill the disk while it runs; flaws of the
kernel; systems without these layers.
"""

import contextlib
import ctypes
import errno
import mimetypes
import os
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

CODE = Path(__file__).resolve().parents[1]  # without the settings: helpers need nothing else of them
LAYERS = ("namespace", "landlock", "seccomp", "limits")
MAX_OPEN_FILES = 256
MAX_TEMPORARY_FILE = 500_000_000  # bytes
SPARE_SECONDS = 5  # of processor time over the limit by the clock, which is to strike first

_MB = 1_000_000
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP")


@dataclass(frozen=True, slots=True)
class Isolation:
    """What was tried in a worker and refused: all network; files beside the document and folder; starting and
    signalling processes; more memory than the limit. `detail` names the layers that were on."""

    network: bool
    files: bool
    processes: bool
    memory: bool
    detail: str


def confine(
    layers: Collection[str], document: Path, temporary: Path, *, seconds: float, memory_mb: int
) -> tuple[str, ...]:
    """Confines this process, which must have one thread, for good. What was put on, in words.

    Of `layers` those that the system has; the namespace is the helper's to enter (see `cut_network`).
    """
    on = []
    if sys.platform == "linux":
        _give_up_rights()
    # Until Landlock says where to, writing is kept off by size.
    landlock = _landlock_version() if "landlock" in layers else 0
    if "limits" in layers and _limit(seconds, memory_mb, MAX_TEMPORARY_FILE if landlock else 0):
        on.append("limits")
    if landlock and _restrict_files(document, temporary):
        on.append(f"Landlock ABI {landlock}")
    if "seccomp" in layers and _filter_calls():
        on.append("seccomp")
    tempfile.tempdir = os.environ["TMPDIR"] = os.environ["HOME"] = str(temporary)
    return tuple(on)


def prepare() -> None:
    """Finds out once, in the helper, what confine() needs in each of its children."""
    _libc()
    _landlock_version()
    _readable()


def prove(document: Path, memory_mb: int, on: Collection[str]) -> Isolation:
    """Tries what a confined process must not be able to do. Beside the document a file "beside" must lie."""
    return Isolation(
        network=_refused(_reach_loopback, OSError),
        files=_refused(document.with_name("beside").read_bytes) and _refused(document.with_name("written").touch),
        processes=_refused(_fork) and _refused(lambda: os.kill(os.getppid(), 0)),
        memory=_refused(lambda: _map((memory_mb + 1) * _MB), OSError),
        detail=", ".join(on) or "none",
    )


def _refused(attempt: Callable[[], object], by: type[OSError] = PermissionError) -> bool:
    try:
        attempt()
    except by:
        return True
    return False


def _reach_loopback() -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reached:
        reached.connect(("127.0.0.1", 9))  # sends nothing, yet fails without a network


def _fork() -> None:
    if pid := os.fork():
        os.waitpid(pid, 0)
    else:
        os._exit(0)


def _map(size: int) -> None:
    import mmap

    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


# Limits


def _limit(seconds: float, memory_mb: int, file_bytes: int) -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CPU: ceil(time.process_time() + seconds) + SPARE_SECONDS + 1,
    }
    with contextlib.suppress(OSError):  # no /proc: macOS, which does not keep RLIMIT_AS either
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limits[resource.RLIMIT_AS] = mapped + memory_mb * _MB  # the libraries are not the document's doing
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # At the soft limit of its time a process dies by SIGXCPU, which tells why; at the hard one by SIGKILL.
        resource.setrlimit(limit, (value - (limit == resource.RLIMIT_CPU), value))
    return True


# The system's own calls, where Python has none. Numbers are of linux/prctl.h, capability.h, sched.h, landlock.h.


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, other: int = 0) -> int:
    return int(_libc().prctl(option, *map(ctypes.c_ulong, (value, other, 0, 0))))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    words = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    return int(_libc().syscall(ctypes.c_long(number), *words))


def command(module: str, *arguments: str) -> list[str]:
    """How a module of ours is run as a helper process; environment() goes with it."""
    # -P: a module that lies in the current folder, which may be anybody's, is not imported for ours
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """What a helper sees of the user's environment, and where our code lies."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    paths = [str(CODE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def end_with_parent() -> None:
    """Linux: this process is killed when the one that started it dies."""
    if sys.platform == "linux":
        import signal

        _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def cut_network() -> bool:
    """Linux, where allowed: this process and those it starts have a network namespace without any network."""
    if sys.platform != "linux":
        return False
    new_user, new_network = 0x10000000, 0x40000000
    # Root needs no user namespace, and would lose in it the right to read other users' files.
    return int(_libc().unshare(new_network if os.geteuid() == 0 else new_user | new_network)) == 0


def _give_up_rights() -> None:
    read_all = 1 << 2  # CAP_DAC_READ_SEARCH: root indexes other users' files too
    libc, header, rights = _libc(), struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    if libc.capget(header, rights) == 0:
        kept = struct.unpack("=6I", rights.raw)[1] & read_all
        libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0))


# Landlock (docs.kernel.org/userspace-api/landlock.html)

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _READ_FILE | _READ_DIR
_WRITE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE

# By the version (ABI) from which the kernel knows them: all rights over files, over TCP, and over what is outside.
_FILE_RIGHTS = ((5, (1 << 16) - 1), (3, (1 << 15) - 1), (2, (1 << 14) - 1), (1, (1 << 13) - 1))
_TCP, _TCP_FROM = 0b11, 4  # bind, connect
_SCOPE, _SCOPE_FROM = 0b11, 6  # abstract sockets, signals

_LIBRARIES = ("/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
_LOOKED_UP = (
    *("/dev/random", "/dev/urandom", "/dev/zero", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/proc/filesystems", "/proc/sys/vm", "/sys/devices/system", "/sys/kernel/mm/transparent_hugepage"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/locale.alias", "/etc/fonts", "/etc/magic"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release"),
    *("/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies"),
    *mimetypes.knownfiles,
)


@cache
def _landlock_version() -> int:
    """The ABI's number; 0 without Landlock."""
    return max(0, _syscall(444, None, 0, 1)) if sys.platform == "linux" else 0  # landlock_create_ruleset


def _restrict_files(document: Path, temporary: Path) -> bool:
    version = _landlock_version()
    rights = next(rights for first, rights in _FILE_RIGHTS if version >= first)
    tcp, scope = _TCP if version >= _TCP_FROM else 0, _SCOPE if version >= _SCOPE_FROM else 0
    ruleset = _syscall(444, struct.pack("=QQQ", rights, tcp, scope), 24, 0)
    if ruleset < 0:
        return False
    for path in (document, *_readable()):
        _grant(ruleset, path, _READ & rights)
    _grant(ruleset, Path(os.devnull), (_READ_FILE | _WRITE_FILE | _TRUNCATE) & rights)
    _grant(ruleset, temporary, (_READ | _WRITE) & rights)
    restricted = _syscall(446, ruleset, 0) == 0  # landlock_restrict_self
    os.close(ruleset)
    return restricted


def _grant(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this system
        return
    is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    rule = struct.pack("=Qi", rights if is_folder else rights & _OF_FILES, descriptor)
    _syscall(445, ruleset, 1, rule, 0)  # landlock_add_rule
    os.close(descriptor)


@cache
def _readable() -> tuple[Path, ...]:
    """Where the interpreter, our code, the libraries and what these look up lie."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    installed = [Path(prefix, name) for prefix in prefixes for name in ("lib", "lib64")]
    linked = filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    paths = [*map(Path, _LIBRARIES), *map(Path, _LOOKED_UP), *installed, *map(Path, linked), *_importable()]
    return tuple(dict.fromkeys(filter(Path.is_absolute, paths)))


def _importable() -> Iterator[Path]:
    for path in map(Path, sys.path):
        if path.resolve() == CODE and CODE.name not in ("site-packages", "dist-packages"):
            yield from (CODE / "ingest", CODE / "errors.py", CODE / "settings.py")  # the user's data may lie beside
        else:
            yield path


# seccomp: a program for the kernel's packet filter (docs.kernel.org/userspace-api/seccomp_filter.html)

# The filter's numbers of each processor: the kernel's name for it, and which of each pair below is its call.
_PROCESSORS = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_NONE = -1  # ARM64 has no such call

_DENIED: dict[str, tuple[int, int]] = {
    # sockets, also by io_uring, which no filter sees into
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # processes and programs
    "fork": (57, _NONE), "vfork": (58, _NONE), "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "kcmp": (312, 272),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    # what Landlock leaves open: a file's rights, owner, times and attributes; its length before ABI 3
    "chmod": (90, _NONE), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, _NONE),
    "lchown": (94, _NONE), "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, _NONE), "utimes": (235, _NONE),
    "futimesat": (261, _NONE), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
    "truncate": (76, 45),
    # memory and messages shared with others
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # namespaces, mounts, and the kernel's seldom used doors
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "pivot_root": (155, 41), "chroot": (161, 51),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "quotactl": (179, 60), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "personality": (135, 92), "syslog": (103, 116),
}  # fmt: skip
_ON_ITSELF = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}  # the first argument: a process
_CLONE, _CLONE3 = (56, 220), (435, 435)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of the filter
_CALL, _PROCESSOR, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; of the argument the lower half
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_DENY, _ABSENT = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
_THREAD = 0x10000  # CLONE_THREAD
_X32 = 0x40000000  # calls of x86-64's other convention


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls() -> bool:
    if sys.platform != "linux" or sys.maxsize < 1 << 32 or os.uname().machine not in _PROCESSORS:
        return False
    instructions = _instructions(os.uname().machine, os.getpid())
    program = _Program(len(instructions) // 8, instructions)
    set_seccomp, by_filter = 22, 2
    return _prctl(set_seccomp, by_filter, ctypes.addressof(program)) == 0


def _instructions(machine: str, pid: int) -> bytes:
    """The filter in the kernel's form. It denies with an error, so that libraries do without, and kills nobody."""
    processor, which = _PROCESSORS[machine]
    program = [(_LOAD, 0, 0, _PROCESSOR), (_EQUAL, 1, 0, processor), (_RETURN, 0, 0, _DENY), (_LOAD, 0, 0, _CALL)]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _DENY)]
    for numbers in _DENIED.values():
        if numbers[which] != _NONE:
            program += [(_EQUAL, 0, 1, numbers[which]), (_RETURN, 0, 0, _DENY)]
    # glibc takes ENOSYS for an old kernel and uses clone, whose flags can be seen.
    program += [(_EQUAL, 0, 1, _CLONE3[which]), (_RETURN, 0, 0, _ABSENT)]
    program += [(_EQUAL, 0, 4, _CLONE[which]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _THREAD)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    for numbers in _ON_ITSELF.values():
        program += [(_EQUAL, 0, 5, numbers[which]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, 0)]
        program += [(_EQUAL, 0, 1, pid), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    program += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
