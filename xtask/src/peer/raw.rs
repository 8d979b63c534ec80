//! A packet socket that sends whole Ethernet frames on one interface.

use crate::error::{Error, Result};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An AF_PACKET socket bound to an interface for sending only.
pub(crate) struct RawSocket {
    descriptor: OwnedFd,
    hardware_address: [u8; 6],
}

impl RawSocket {
    /// Opens the socket on `interface` of this namespace.
    pub(crate) fn open(interface: &str) -> Result<RawSocket> {
        let name = CString::new(interface).map_err(|_| Error::Unexpected("interface name".into()))?;
        // SAFETY: a NUL-terminated string that lives through the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(Error::Missing(format!("no interface `{interface}` here")));
        }
        // SAFETY: plain system call; the descriptor is checked before it is owned. Protocol 0
        // receives nothing.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if descriptor < 0 {
            return Err(Error::system("opening a packet socket")(io::Error::last_os_error()));
        }
        // SAFETY: the descriptor was just returned to us and nobody else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: all-zero bytes are a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let length = std::mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: address and length describe one live sockaddr_ll.
        let failed = unsafe { libc::bind(descriptor.as_raw_fd(), (&raw const address).cast(), length) };
        if failed != 0 {
            return Err(Error::system("binding a packet socket")(io::Error::last_os_error()));
        }
        let hardware_address = hardware_address(interface)?;
        Ok(RawSocket { descriptor, hardware_address })
    }

    /// The interface's own address, the source of what we send.
    pub(crate) fn hardware_address(&self) -> [u8; 6] {
        self.hardware_address
    }

    /// Sends one frame.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<()> {
        // SAFETY: pointer and length of one live slice.
        let sent = unsafe { libc::send(self.descriptor.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            return Err(Error::system("sending a frame")(io::Error::last_os_error()));
        }
        Ok(())
    }
}

fn hardware_address(interface: &str) -> Result<[u8; 6]> {
    let path = format!("/sys/class/net/{interface}/address");
    let text = std::fs::read_to_string(&path).map_err(Error::system(path))?;
    parse_mac(text.trim()).ok_or_else(|| Error::Unexpected(format!("`{interface}` has no Ethernet address")))
}

/// Six bytes from `02:00:...`.
pub(crate) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_six_bytes() {
        assert_eq!(parse_mac("02:00:00:00:01:ff"), Some([2, 0, 0, 0, 1, 255]));
        assert_eq!(parse_mac("02:00:00:00:01"), None);
        assert_eq!(parse_mac("02:00:00:00:01:02:03"), None);
    }
}
