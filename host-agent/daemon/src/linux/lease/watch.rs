//! News of the kernel's nft tables: somebody changed them, and may have removed the gate.
//!
//! Enters: netlink notices. Leaves: whether to look. Renewals of the lease, which change elements only, are
//! dropped by a socket filter; every other change is told, ours included.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::linux::netlink::{Received, Socket};
use crate::linux::sys::{self, instruction, Batch};

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES` in the high byte of a message type.
const SUBSYSTEM: u16 = 10 << 8;
/// Types of messages that change elements (`NFT_MSG_NEWSETELEM`, `NFT_MSG_DELSETELEM`) or count
/// transactions (`NFT_MSG_NEWGEN`).
const PASSED_OVER: [u16; 3] = [SUBSYSTEM | 12, SUBSYSTEM | 14, SUBSYSTEM | 15];
/// Offset of `nlmsg_type`.
const TYPE_OFFSET: u32 = 4;
/// Notices are counted, not read: what does not fit is cut off.
const NOTICE_BYTES: usize = 64;

/// A socket that is readable after a change.
pub struct Watch {
    socket: Socket,
    batch: Batch,
}

impl Watch {
    /// Watches this network namespace.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        sys::attach_filter(socket.as_fd(), &filter())?;
        socket.join(GROUP)?;
        Ok(Self { socket, batch: Batch::new(16, NOTICE_BYTES, 0) })
    }

    /// Whether anything changed since this was last asked; lost notices count as a change.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn changed(&mut self) -> io::Result<bool> {
        let mut changed = false;
        while self.socket.receive(&mut self.batch)? != Received::Empty {
            changed = true;
        }
        Ok(changed)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Drops notices that begin with a change of elements.
fn filter() -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, TYPE_OFFSET)];
    for (index, kind) in PASSED_OVER.into_iter().enumerate() {
        // Loads are big-endian, the field is in host order. A match jumps to the last instruction.
        let to_drop = (PASSED_OVER.len() - index) as u8;
        let value = u16::from_be_bytes(kind.to_ne_bytes()).into();
        program.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_drop, 0, value));
    }
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    program
}
