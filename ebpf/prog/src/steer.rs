//! Chooses among the sockets of a `SO_REUSEPORT` group, one of each shard.

use crate::maps;
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::sk_action::SK_PASS;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_skb_load_bytes_relative};
use aya_ebpf::macros::sk_reuseport;
use aya_ebpf::programs::SkReuseportContext;
use core::mem::MaybeUninit;
use ebpf_common::steer::{Choice, Datagram, Kind, shard_of_check};
use ebpf_common::{FlowKey, ipv4_mapped};

/// Bytes of a UDP header: what the context's data begins with.
const UDP_LEN: u32 = 8;

/// `BPF_HDR_START_NET`: offsets count from the IP header.
const FROM_IP: u32 = 1;

const ETHERTYPE_IPV4: u16 = 0x0800;

/// Whose a datagram between these addresses is, and why; with `Hash` it is anybody's.
#[inline(always)]
pub fn owner(datagram: &impl Datagram, key: &mut FlowKey) -> (u32, Choice) {
    let Some([first]) = datagram.load(0) else { return (0, Choice::Hash) };
    let kind = Kind::of(first);
    if kind == Kind::Turn
        && let Some(shard) = shard_of_check(datagram)
    {
        return (shard.into(), Choice::Check);
    }
    key.channel = kind.channel();
    // SAFETY: four bytes, read at once.
    match unsafe { maps::STEERED.get(&*key) } {
        Some(shard) => (*shard, Choice::Flow),
        None => (0, Choice::Hash),
    }
}

/// Counts a choice.
#[inline(always)]
pub fn tally(choice: Choice) {
    if let Some(count) = maps::CHOICES.get_ptr_mut(choice as u32) {
        // SAFETY: this CPU's own.
        unsafe { *count += 1 };
    }
}

/// Brings a datagram to the socket of the shard that it is for; if nothing says which that is, the
/// kernel's hash chooses.
#[sk_reuseport]
pub fn steer(ctx: SkReuseportContext) -> u32 {
    tally(choose(&ctx));

    SK_PASS
}

#[inline(always)]
fn choose(ctx: &SkReuseportContext) -> Choice {
    let datagram = Received { ctx };
    let mut key = FlowKey::EMPTY;
    if !datagram.key(&mut key) {
        return Choice::Hash;
    }
    let (shard, choice) = owner(&datagram, &mut key);
    if choice == Choice::Hash {
        return choice;
    }
    // Where a group's sockets begin is told by their address.
    key.remote = [0; 16];
    key.remote_port = [0; 2];
    key.channel = [0; 2];
    // SAFETY: as above; the loader changes it only before the program is attached.
    let Some(group) = (unsafe { maps::GROUPS.get(&key) }) else { return Choice::Missing };
    let [first, shards] = *group;
    if shard >= shards {
        return Choice::Missing;
    }
    match maps::SOCKETS.select_reuseport(ctx, first + shard) {
        Ok(()) => choice,
        Err(_) => Choice::Missing,
    }
}

/// The datagram that a socket is chosen for.
struct Received<'a> {
    ctx: &'a SkReuseportContext,
}

impl Received<'_> {
    /// Bytes from this offset of the UDP header.
    #[inline(always)]
    fn udp<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        let to = bytes.as_mut_ptr().cast();
        // SAFETY: room for the bytes that are asked for.
        let failed = unsafe { bpf_skb_load_bytes(self.ctx.as_ptr(), at, to, N as u32) };

        // SAFETY: written if the helper has not failed.
        (failed == 0).then(|| unsafe { bytes.assume_init() })
    }

    /// Who sent it, and to which address of ours; no channel.
    #[inline(always)]
    fn key(&self, key: &mut FlowKey) -> bool {
        let (Some(remote), Some(local)) = (self.udp(0), self.udp(2)) else { return false };
        (key.remote_port, key.local_port) = (remote, local);
        if self.ctx.eth_protocol() as u16 == ETHERTYPE_IPV4.to_be() {
            let (Some(remote), Some(local)) = (self.ip(12), self.ip(16)) else { return false };
            (key.remote, key.local) = (ipv4_mapped(remote), ipv4_mapped(local));
            return true;
        }
        let (Some(remote), Some(local)) = (self.ip(8), self.ip(24)) else { return false };
        (key.remote, key.local) = (remote, local);

        true
    }

    /// Bytes from this offset of the IP header.
    #[inline(always)]
    fn ip<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let mut bytes = MaybeUninit::<[u8; N]>::uninit();
        let to = bytes.as_mut_ptr().cast();
        // SAFETY: room for the bytes that are asked for.
        let failed =
            unsafe { bpf_skb_load_bytes_relative(self.ctx.as_ptr(), at, to, N as u32, FROM_IP) };

        // SAFETY: written if the helper has not failed.
        (failed == 0).then(|| unsafe { bytes.assume_init() })
    }
}

impl Datagram for Received<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.udp(UDP_LEN + at)
    }
}
