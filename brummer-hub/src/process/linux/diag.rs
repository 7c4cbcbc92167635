//! Listening sockets from the kernel's socket diagnosis (sock_diag(7)), which goes through the listening ones only.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use super::{Family, ListeningSocket};

/// The kernel answers within the call; this only keeps a broken one from holding the thread.
const PATIENCE: Duration = Duration::from_secs(1);

/// An answer is at most this long: the kernel cuts its list to fit (`NLMSG_GOODSIZE` is 8 KiB, or 32 KiB when it is asked
/// with a larger buffer).
const ANSWER_BYTES: usize = 32 * 1024;

/// More parts than any list of listening sockets has; there are at most 65,535 ports, and some 400 sockets in a part.
const MAX_PARTS: usize = 4096;

// linux/netlink.h
const NLMSG_HDRLEN: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;

// linux/sock_diag.h, linux/inet_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_BYTES: usize = NLMSG_HDRLEN + 56;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;

/// The sockets that listen.
pub(super) fn listening(family: Family) -> io::Result<Vec<ListeningSocket>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    send(&socket, &request(family), SendFlags::empty())?;
    receive(&socket)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`, which asks for every socket in one state.
fn request(family: Family) -> [u8; REQUEST_BYTES] {
    let family = match family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    let mut request = [0; REQUEST_BYTES];
    let mut put = |at: usize, bytes: &[u8]| request[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &u32::try_from(REQUEST_BYTES).unwrap_or_default().to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    put(NLMSG_HDRLEN, &[u8::try_from(family.as_raw()).unwrap_or_default(), IPPROTO_TCP]);
    put(NLMSG_HDRLEN + 4, &(1_u32 << TCP_LISTEN).to_ne_bytes());
    request
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<ListeningSocket>> {
    let mut found = Vec::new();
    let mut part = vec![0; ANSWER_BYTES];
    for _ in 0..MAX_PARTS {
        let (read, _) = recv(socket, part.as_mut_slice(), RecvFlags::empty())?;
        if read == 0 || parse(&part[..read], &mut found)? {
            return Ok(found);
        }
    }
    Err(io::Error::other("the kernel's answer does not end"))
}

/// Reads one part of the answer. Says whether it is the last.
fn parse(mut part: &[u8], found: &mut Vec<ListeningSocket>) -> io::Result<bool> {
    while part.len() >= NLMSG_HDRLEN {
        let length = u32_at(part, 0).and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let message = part.get(..length).filter(|message| message.len() >= NLMSG_HDRLEN);
        let message = message.ok_or(io::ErrorKind::InvalidData)?;
        let body = &message[NLMSG_HDRLEN..];
        match u16::from_ne_bytes([message[4], message[5]]) {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(body, 0).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
            }
            SOCK_DIAG_BY_FAMILY => found.extend(parse_socket(body)),
            _ => {}
        }
        // Messages begin at multiples of four.
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct inet_diag_msg`: family, state, timer and retransmissions, then source port, destination port (both in network
/// order), source address; the user and the inode are the last of its 72 bytes.
fn parse_socket(body: &[u8]) -> Option<ListeningSocket> {
    if *body.get(1)? != TCP_LISTEN {
        return None;
    }
    let address: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let [first, second, third, fourth, ..] = address;
    let address = match AddressFamily::from_raw(u16::from(body[0])) {
        AddressFamily::INET => IpAddr::from(Ipv4Addr::new(first, second, third, fourth)),
        AddressFamily::INET6 => Ipv6Addr::from(address).into(),
        _ => return None,
    };
    Some(ListeningSocket {
        address,
        port: u16::from_be_bytes([body[4], body[5]]),
        user: u32_at(body, 64)?,
        inode: u32_at(body, 68)?.into(),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsRawFd};

    use proptest::prelude::*;

    use super::{super::table, *};

    #[test]
    fn it_says_the_same_as_the_table() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0").ok();
        for (family, listener) in [(Family::V4, Some(v4)), (Family::V6, v6)] {
            // Not every machine has IPv6.
            let Some(listener) = listener else { continue };
            let (address, descriptor) = (listener.local_addr().unwrap(), listener.as_raw_fd());
            let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap();
            let is_it =
                |socket: &&ListeningSocket| (socket.address, socket.port) == (address.ip(), address.port());
            let expected = table::listening(family).iter().find(is_it).copied().unwrap();
            assert_eq!(link.to_str().unwrap(), format!("socket:[{}]", expected.inode));
            // A sandbox may not have it; then the table is used, which is what the other tests see.
            match listening(family) {
                Ok(sockets) => assert_eq!(sockets.iter().find(is_it), Some(&expected)),
                Err(error) => println!("no socket diagnosis here: {error}"),
            }
        }
    }

    #[test]
    fn an_error_is_an_error() {
        let mut answer = vec![0; NLMSG_HDRLEN];
        answer[0] = 20;
        answer[4] = 2;
        answer.extend((-2_i32).to_ne_bytes());
        let error = parse(&answer, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..256), length in 0..256_u32) {
            let mut answer = bytes;
            if answer.len() >= 8 {
                answer[..4].copy_from_slice(&length.to_ne_bytes());
                answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            }
            let _ = parse(&answer, &mut Vec::new());
        }
    }
}
