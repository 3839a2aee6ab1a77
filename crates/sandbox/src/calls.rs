//! System calls: those that a sensor may make, and those that a server may not.

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition, SeccompFilter,
    SeccompRule as Rule, TargetArch,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// Rules by call; a call without rules matches whatever its arguments.
type Rules = BTreeMap<i64, Vec<Rule>>;

fn filter(rules: Rules, matched: SeccompAction, else_: SeccompAction) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, else_, matched, arch)?.try_into()
}

fn refused(errno: i32) -> SeccompAction {
    SeccompAction::Errno(errno as u32)
}

/// Argument `arg` is one of these.
fn one_of(arg: u8, values: &[u64]) -> Result<Vec<Rule>, BackendError> {
    values.iter().map(|v| Rule::new(vec![Condition::new(arg, Len::Dword, Op::Eq, *v)?])).collect()
}

/// Of argument `arg` the bits of `mask` are `value`.
fn bits(arg: u8, mask: u64, value: u64) -> Result<Vec<Rule>, BackendError> {
    Ok(vec![Rule::new(vec![Condition::new(arg, Len::Qword, Op::MaskedEq(mask), value)?])?])
}

/// Calls that threads, memory, time and waiting take, whatever their arguments.
const PLAIN: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_recvfrom,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_getsockopt,
    libc::SYS_bind,
    libc::SYS_close,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What a sensor asks of an interface: its index, flags, hardware.
const ASKED: &[u64] = &[libc::SIOCGIFINDEX, libc::SIOCGIFFLAGS, libc::SIOCGIFHWADDR];
/// `PR_SET_VMA`, with which the allocator names its memory.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// The programs of a sensor that writes to `out`: all that is not named is refused.
pub(crate) fn sensor(out: &[RawFd]) -> Result<Vec<BpfProgram>, BackendError> {
    let mut rules: Rules = PLAIN.iter().map(|call| ((*call), Vec::new())).collect();
    let out: Vec<u64> = out.iter().map(|fd| *fd as u64).collect();
    for call in [libc::SYS_write, libc::SYS_writev, libc::SYS_sendto] {
        rules.insert(call, one_of(0, &out)?);
    }
    rules.insert(libc::SYS_ioctl, one_of(1, ASKED)?);
    // An interface that came back is listened to in full again; nothing else of a socket changes.
    let member = vec![
        Condition::new(1, Len::Dword, Op::Eq, libc::SOL_PACKET as u64)?,
        Condition::new(2, Len::Dword, Op::Eq, libc::PACKET_ADD_MEMBERSHIP as u64)?,
    ];
    rules.insert(libc::SYS_setsockopt, vec![Rule::new(member)?]);
    // Memory is never made a program.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, bits(2, libc::PROT_EXEC as u64, 0)?);
    }
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, bits(0, thread, thread)?);
    rules.insert(libc::SYS_clone3, Vec::new());
    rules.insert(libc::SYS_prctl, one_of(0, &[libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, PR_SET_VMA])?);
    // A panic that aborts signals itself.
    rules.insert(libc::SYS_tgkill, one_of(0, &[u64::from(std::process::id())])?);
    // What clone3 asks for stands in memory, where no filter looks: the C library falls back to clone where there is none.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    Ok(vec![filter(clone3, refused(libc::ENOSYS), SeccompAction::Allow)?, filter(rules, SeccompAction::Allow, refused(libc::EPERM))?])
}

/// What no server of Vigie does, and who has taken it over would.
const NEVER: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_io_uring_setup,
];

/// The program of a server: what is named is refused.
pub(crate) fn server() -> Result<Vec<BpfProgram>, BackendError> {
    let mut rules: Rules = NEVER.iter().map(|call| ((*call), Vec::new())).collect();
    rules.insert(libc::SYS_socket, one_of(0, &[libc::AF_PACKET as u64])?);
    Ok(vec![filter(rules, refused(libc::EPERM), SeccompAction::Allow)?])
}
