//! What a process gives up once it has what it needs, so that who takes it over finds nothing to go on with.
//!
//! Four walls, each from a well-kept library: capabilities (`capset`), files and networks (Landlock), system calls (seccomp), and no way back
//! (`no_new_privs`). They hold for the thread that enters and for what it starts: enter before the first thread. The user is changed by who
//! starts a process ([`NOBODY`]).
//!
//! The **sensor** keeps sockets that are open and memory: it opens nothing, starts nothing, sends nowhere but to its link. The **server**
//! keeps its data directory to write to and its own program to start, and cannot open a packet socket.

mod calls;

use caps::{CapSet, Capability};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope,
};
use rustix::process::geteuid;
use std::collections::HashSet;
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// The Landlock of Linux 6.12: what older kernels lack of it they leave out.
const LANDLOCK: ABI = ABI::V6;
/// `nobody` and `nogroup`: who a sensor is that a root starts.
pub const NOBODY: u32 = 65_534;

/// Why a wall does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub Vec<String>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine has no {}", self.0.join(" and no "))
    }
}

impl std::error::Error for Missing {}

/// What the server keeps.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Folders and files that it writes to; they must be there.
    pub writes: Vec<PathBuf>,
}

/// Makes this process a sensor's: `out` are the descriptors that it may write to, all else that is open can only be read. Errors name what the
/// machine lacks; the other walls stand all the same.
pub fn sensor(out: &[RawFd]) -> Result<(), Missing> {
    let mut missing = Vec::new();
    // Before the rest, which takes the right to.
    let _ = caps::clear(None, CapSet::Bounding);
    capabilities(&HashSet::new(), &mut missing);
    let walls = || -> Result<RulesetStatus, landlock::RulesetError> {
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?;
        Ok(ruleset.create()?.restrict_self()?.ruleset)
    };
    landlocked(walls(), &mut missing);
    filtered(calls::sensor(out), &mut missing);
    told(missing)
}

/// Makes this process a server's. A root without most of root's rights: it reads captures of others, and a sensor that it starts gives up root.
pub fn server(keeps: &Server) -> Result<(), Missing> {
    let mut missing = Vec::new();
    let mut caps: HashSet<Capability> = HashSet::new();
    if geteuid().is_root() {
        caps.extend([Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_SETPCAP, Capability::CAP_DAC_READ_SEARCH]);
        let others = |p: &PathBuf| std::fs::metadata(p).is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) != 0);
        if keeps.writes.iter().any(others) {
            caps.insert(Capability::CAP_DAC_OVERRIDE);
        }
    }
    capabilities(&caps, &mut missing);
    let walls = || -> Result<RulesetStatus, landlock::RulesetError> {
        // Reading is left to the permissions of files: imports and certificates lie anywhere.
        let writes: BitFlags<AccessFs> = AccessFs::from_write(LANDLOCK);
        let mut ruleset =
            Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(writes | AccessFs::Execute)?.create()?;
        for path in &keeps.writes {
            ruleset = beneath(ruleset, path, writes)?;
        }
        ruleset = beneath(ruleset, Path::new("/dev/null"), AccessFs::WriteFile.into())?;
        for program in own_program() {
            ruleset = beneath(ruleset, &program, AccessFs::Execute.into())?;
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    landlocked(walls(), &mut missing);
    filtered(calls::server(), &mut missing);
    told(missing)
}

fn told(missing: Vec<String>) -> Result<(), Missing> {
    if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
}

fn beneath(
    ruleset: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, landlock::RulesetError> {
    // What is not there cannot be written to either.
    let Ok(fd) = PathFd::new(path) else { return Ok(ruleset) };
    // Of a file, what concerns folders is left out.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(LANDLOCK) };
    ruleset.add_rule(PathBeneath::new(fd, access))
}

/// This program, and what the kernel loads it with.
fn own_program() -> Vec<PathBuf> {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let all = std::env::current_exe().ok().into_iter().chain(loaders.map(PathBuf::from));
    all.filter_map(|p| p.canonicalize().ok()).collect()
}

/// Keeps only these capabilities, in every set.
fn capabilities(keep: &HashSet<Capability>, missing: &mut Vec<String>) {
    let had = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let keep: HashSet<Capability> = keep.intersection(&had).copied().collect();
    for cap in caps::all().difference(&keep) {
        // Without CAP_SETPCAP the bounding set stays: no_new_privs makes it harmless.
        let _ = caps::drop(None, CapSet::Bounding, *cap);
    }
    let _ = caps::clear(None, CapSet::Ambient);
    let set = |set| caps::set(None, set, &keep);
    if let Err(e) = caps::clear(None, CapSet::Inheritable).and_then(|()| set(CapSet::Effective)).and_then(|()| set(CapSet::Permitted)) {
        missing.push(format!("way to give up capabilities ({e})"));
    }
}

fn landlocked(status: Result<RulesetStatus, landlock::RulesetError>, missing: &mut Vec<String>) {
    match status {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => {}
        Ok(RulesetStatus::NotEnforced) => missing.push("Landlock (Linux 5.13 with CONFIG_SECURITY_LANDLOCK)".to_owned()),
        Err(e) => missing.push(format!("Landlock ({e})")),
    }
}

fn filtered(programs: Result<Vec<seccompiler::BpfProgram>, seccompiler::BackendError>, missing: &mut Vec<String>) {
    let applied = programs
        .map_err(|e| e.to_string())
        .and_then(|all| all.iter().try_for_each(|p| seccompiler::apply_filter_all_threads(p).map_err(|e| e.to_string())));
    if let Err(e) = applied {
        missing.push(format!("seccomp (CONFIG_SECCOMP_FILTER; {e})"));
    }
}
