//! A packet socket with its TPACKET_V3 ring: the one place of Vigie that is unsafe.
//!
//! What is unsafe is small: system calls on structures that are whole, one mapping, and slices of a block while it is ours. Everything
//! read out of a block is read by offset from a byte slice and checked, as any foreign bytes.
//!
//! Source: Documentation/networking/packet_mmap.rst and include/uapi/linux/if_packet.h of Linux.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use vigie_base::{Ip, Mac};

/// Bytes of a block: holds some hundred and fifty full frames, and the largest that receive offload makes (64 KiB). A block is handed over
/// after [`RETIRE_MS`] however empty it is, so that a ring bridges a pause of its reader of that many times its blocks.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Milliseconds after which the kernel hands a block over that is not full.
pub(super) const RETIRE_MS: u32 = 20;
/// Bytes before each frame, where a VLAN tag that the kernel took out is put back.
const RESERVE: u32 = 4;
/// `ETH_P_ALL`, as the socket wants it.
const ALL: u16 = (libc::ETH_P_ALL as u16).to_be();
/// Offset of the status word in a block (`tpacket_block_desc`).
const BLOCK_STATUS: usize = 8;
/// Offset of the number that the kernel gave a block when it began to fill it.
const BLOCK_NUMBER: usize = 24;

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: c_int,
    pub(super) up: bool,
    /// `ARPHRD_*`.
    pub(super) hardware: u16,
}

/// A request about an interface; none where a name is none.
fn named(name: &str) -> Option<libc::ifreq> {
    // SAFETY: an `ifreq` is plain data, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Some(request)
}

/// What may be asked of a card's driver: reading alone. Source: include/uapi/linux/ethtool.h of Linux.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// `ethtool_ringparam`: most frames that may be received (word 1), and are (5).
    Ring = 0x10,
    /// `ethtool_value`: whether large segments are cut by the card.
    Tso = 0x1e,
    /// Whether they are cut by the kernel.
    Gso = 0x23,
    /// Bits, LRO among them.
    Flags = 0x25,
    /// Whether the kernel puts received packets together.
    Gro = 0x2b,
    /// `ethtool_channels`: those that receive (word 5), and those that do both (8).
    Channels = 0x3c,
}

/// Asks a card's driver; `N` is the number of words of the answer, the first of which is the question. Errors: no such interface; the
/// driver does not tell.
pub(super) fn ethtool<const N: usize>(name: &str, what: Ask) -> io::Result<[u32; N]> {
    let mut request = named(name).ok_or(io::ErrorKind::NotFound)?;
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    let mut words = [0u32; N];
    words[0] = what as u32;
    // Each question has an answer of one size: `value` of 2 words, the others of 9.
    assert!(N == (if matches!(what, Ask::Ring | Ask::Channels) { 9 } else { 2 }));
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the request and the words that it points to are whole, of the size of this answer, and live through the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(words) }
}

/// A socket to ask for interfaces with.
pub(super) fn asker() -> io::Result<OwnedFd> {
    socket(libc::AF_INET, libc::SOCK_DGRAM)
}

/// Asks for an interface by name; none where there is none.
pub(super) fn link(socket: &OwnedFd, name: &str) -> io::Result<Option<Link>> {
    let Some(mut request) = named(name) else { return Ok(None) };
    let mut ask = |what| {
        // SAFETY: the request is whole and lives through the call; these three fill it and keep no pointer.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), what, &raw mut request) };
        // SAFETY: a union of plain data, just filled by the kernel in the field that belongs to the request.
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(request.ifr_ifru) }
    };
    let gone = |e: &io::Error| matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ENXIO));
    let index = match ask(libc::SIOCGIFINDEX) {
        // SAFETY: SIOCGIFINDEX fills this field.
        Ok(of) => unsafe { of.ifru_ifindex },
        Err(e) if gone(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    // SAFETY: SIOCGIFFLAGS fills this field.
    let flags = c_int::from(unsafe { ask(libc::SIOCGIFFLAGS)?.ifru_flags });
    // SAFETY: SIOCGIFHWADDR fills this field.
    let hardware = unsafe { ask(libc::SIOCGIFHWADDR)?.ifru_hwaddr.sa_family };
    Ok(Some(Link { index, up: flags & (libc::IFF_UP | libc::IFF_RUNNING) == libc::IFF_UP | libc::IFF_RUNNING, hardware }))
}

fn socket(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is given.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option of the packet level.
fn set<T: Copy>(fd: RawFd, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: `value` is whole and lives through the call.
    let done = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, (value as *const T).cast(), size_of::<T>() as libc::socklen_t) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel counted since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// Frames, those lost included.
    pub(super) frames: u64,
    /// Frames lost because the ring was full.
    pub(super) lost: u64,
    /// How often the ring became full.
    pub(super) freezes: u64,
}

/// Opens a socket that receives from nothing yet, with a ring of `blocks` blocks.
pub(super) fn open(blocks: usize) -> io::Result<OwnedFd> {
    // Protocol 0: not a frame comes before `bind` says of which interface.
    let fd = socket(libc::AF_PACKET, libc::SOCK_RAW)?;
    let raw = fd.as_raw_fd();
    set(raw, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
    set(raw, libc::PACKET_RESERVE, &RESERVE)?;
    let request = libc::tpacket_req3 {
        tp_block_size: BLOCK_BYTES as u32,
        tp_block_nr: blocks as u32,
        // In version 3 frames have no fixed size; the kernel only checks that these agree.
        tp_frame_size: 2048,
        tp_frame_nr: (BLOCK_BYTES / 2048 * blocks) as u32,
        tp_retire_blk_tov: RETIRE_MS,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    set(raw, libc::PACKET_RX_RING, &request)?;
    Ok(fd)
}

/// Lets the socket receive only what `program` takes ([`super::part`]); before it is bound.
pub(super) fn only(fd: &OwnedFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let whole = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let len = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: the program and what points to it are whole, of the length said, and live through the call; the kernel checks and copies it.
    let done =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, (&raw const whole).cast::<c_void>(), len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives from `link` from now on, all that passes it.
pub(super) fn bind(fd: &OwnedFd, link: Link) -> io::Result<()> {
    // SAFETY: plain data, for which zeros are a value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL;
    address.sll_ifindex = link.index;
    // SAFETY: the address is whole and lives through the call.
    let done = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    let mut member: libc::packet_mreq = unsafe { zeroed() };
    member.mr_ifindex = link.index;
    member.mr_type = libc::PACKET_MR_PROMISC as u16;
    // What has no such mode (loopback, a tunnel) shows all anyway.
    let _ = set(fd.as_raw_fd(), libc::PACKET_ADD_MEMBERSHIP, &member);
    Ok(())
}

/// A socket and its mapped ring.
pub(super) struct Ring {
    fd: OwnedFd,
    map: NonNull<u8>,
    blocks: usize,
    /// The block that is ours, or will be next.
    at: usize,
    /// Whether block `at` is ours.
    held: bool,
}

// SAFETY: the mapping belongs to this value alone; nothing else in the process points into it.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring of `blocks` blocks that a socket has. Reading goes on at the oldest block that nobody gave back: another process may
    /// have read before.
    pub(super) fn map(fd: OwnedFd, blocks: usize) -> io::Result<Ring> {
        let len = BLOCK_BYTES * blocks;
        // SAFETY: a new mapping at an address of the kernel's choice, of a length that the ring has; a ring of another is refused.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let map = NonNull::new(map.cast()).ok_or_else(io::Error::last_os_error)?;
        let mut ring = Ring { fd, map, blocks, at: 0, held: false };
        ring.at = ring.oldest();
        Ok(ring)
    }

    /// The oldest block that is ours; where there is none, the one that the kernel fills, which has the highest number.
    fn oldest(&mut self) -> usize {
        let (mut ours, mut kernels) = (None, (0, 0));
        for block in 0..self.blocks {
            self.at = block;
            let user = self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
            // SAFETY: aligned, within the mapping; the kernel writes it as one 64-bit word.
            let number = unsafe { AtomicU64::from_ptr(self.start(block).add(BLOCK_NUMBER).cast()) }.load(Ordering::Acquire);
            if user && ours.is_none_or(|(least, _)| number < least) {
                ours = Some((number, block));
            } else if !user && number > kernels.0 {
                kernels = (number, block);
            }
        }
        ours.unwrap_or(kernels).1
    }

    /// Receives from `link` from now on.
    pub(super) fn bind(&self, link: Link) -> io::Result<()> {
        bind(&self.fd, link)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The pending error of the socket, which asking clears: `ENETDOWN` where its interface went down.
    pub(super) fn error(&self) -> Option<io::Error> {
        let (mut value, mut len) = (0, size_of::<c_int>() as libc::socklen_t);
        // SAFETY: both are whole, of the size said, and live through the call.
        let done = unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut value).cast::<c_void>(), &raw mut len)
        };
        (done == 0 && value != 0).then(|| io::Error::from_raw_os_error(value))
    }

    /// What the kernel counted since this was last asked.
    pub(super) fn statistics(&self) -> Statistics {
        // SAFETY: plain data, for which zeros are a value.
        let mut s: libc::tpacket_stats_v3 = unsafe { zeroed() };
        let mut len = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
        // SAFETY: both are whole, of the size said, and live through the call.
        let done =
            unsafe { libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_STATISTICS, (&raw mut s).cast(), &raw mut len) };
        if done < 0 {
            return Statistics::default();
        }
        Statistics { frames: s.tp_packets.into(), lost: s.tp_drops.into(), freezes: s.tp_freeze_q_cnt.into() }
    }

    fn start(&self, block: usize) -> *mut u8 {
        debug_assert!(block < self.blocks);
        // SAFETY: `block` is below `blocks`, so this stays within the mapping.
        unsafe { self.map.as_ptr().add(block * BLOCK_BYTES) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: aligned, within the mapping, which lives as long as `self`; the kernel and we both access it as one 32-bit word.
        unsafe { AtomicU32::from_ptr(self.start(self.at).add(BLOCK_STATUS).cast()) }
    }

    /// Takes the next block where the kernel has handed it over; true where one is ours.
    pub(super) fn take(&mut self) -> bool {
        // Acquire: what the kernel wrote before the status is seen after it.
        self.held = self.held || self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        self.held
    }

    /// The block that is ours, or nothing.
    pub(super) fn block(&self) -> &[u8] {
        if !self.held {
            return &[];
        }
        // SAFETY: within the mapping; the kernel does not write to a block that it has handed over, and `&mut self` gives it back.
        unsafe { std::slice::from_raw_parts(self.start(self.at), BLOCK_BYTES) }
    }

    /// The same, to put a VLAN tag back.
    pub(super) fn block_mut(&mut self) -> &mut [u8] {
        if !self.held {
            return &mut [];
        }
        // SAFETY: as for `block`; `&mut self` holds off every other slice.
        unsafe { std::slice::from_raw_parts_mut(self.start(self.at), BLOCK_BYTES) }
    }

    /// Gives the block back to the kernel.
    pub(super) fn release(&mut self) {
        if self.held {
            // Release: what was read of the block was read before.
            self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.held = false;
            self.at = (self.at + 1) % self.blocks;
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no slice of it outlives `self`.
        unsafe { libc::munmap(self.map.as_ptr().cast(), BLOCK_BYTES * self.blocks) };
    }
}

/// Waits until one of `fds` has something, at most `milliseconds`. An interrupted wait is a short one.
pub(super) fn wait(fds: impl Iterator<Item = RawFd>, milliseconds: c_int) {
    let mut all: Vec<libc::pollfd> = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the list is whole, of the length said, and lives through the call.
    unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, milliseconds) };
}

/// The addresses of this machine's interfaces but the loopback, and their Ethernet addresses. What cannot be asked for is left out.
pub fn addresses() -> (Vec<Ip>, Vec<Mac>) {
    let (mut ips, mut macs) = (Vec::new(), Vec::new());
    let mut list = std::ptr::null_mut();
    // SAFETY: the kernel's list is written to `list`, or nothing is.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return (ips, macs);
    }
    let mut at: *const libc::ifaddrs = list;
    // SAFETY: `at` is null or an entry of the list, which lives until it is freed below; an address is of the size that its family says.
    while let Some(entry) = unsafe { at.as_ref() } {
        at = entry.ifa_next;
        if entry.ifa_addr.is_null() || entry.ifa_flags & libc::IFF_LOOPBACK as u32 != 0 {
            continue;
        }
        // SAFETY: as above.
        match c_int::from(unsafe { (*entry.ifa_addr).sa_family }) {
            libc::AF_INET => {
                // SAFETY: as above.
                let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                ips.push(Ip::v4(address.sin_addr.s_addr.to_ne_bytes()));
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                ips.push(Ip(address.sin6_addr.s6_addr));
            }
            libc::AF_PACKET => {
                // SAFETY: as above.
                let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_ll>().read_unaligned() };
                if let (6, Some(mac)) = (address.sll_halen, address.sll_addr.first_chunk()) {
                    macs.push(Mac(*mac));
                }
            }
            _ => {}
        }
    }
    // SAFETY: the list that was given, once.
    unsafe { libc::freeifaddrs(list) };
    ips.sort_unstable();
    ips.dedup();
    macs.sort_unstable();
    macs.dedup();
    (ips, macs)
}

/// The names of the interfaces that there are.
pub fn names() -> Vec<String> {
    // Of this process's network namespace, which /sys need not be of.
    let table = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let mut names: Vec<String> = table.lines().filter_map(|l| Some(l.split_once(':')?.0.trim().to_owned())).collect();
    names.sort();
    names
}
