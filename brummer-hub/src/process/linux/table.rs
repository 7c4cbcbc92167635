//! Listening sockets from `/proc/net/tcp` and `tcp6`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Family, ListeningSocket};

/// Bytes of the table per read: the kernel looks for its place anew in each.
const BUFFER: usize = 64 * 1024;

/// The sockets that listen; none when the table cannot be read.
pub(super) fn listening(family: Family) -> Vec<ListeningSocket> {
    let table = match family {
        Family::V4 => "/proc/net/tcp",
        Family::V6 => "/proc/net/tcp6",
    };
    let lines =
        File::open(table).into_iter().flat_map(|table| BufReader::with_capacity(BUFFER, table).lines());
    // Linux tells the listening ones first, but a sandbox may not: all are read.
    lines.map_while(Result::ok).filter_map(|line| parse(&line)).collect()
}

/// A line of the table, if it is of a listening socket. See proc_net_tcp(5) for the fields.
fn parse(line: &str) -> Option<ListeningSocket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let is_listening = fields.nth(1)? == "0A";
    let user = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    is_listening.then_some(ListeningSocket {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        user,
        inode,
    })
}

/// An address in hexadecimal words, each in the machine's order of bytes.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = text.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, state: &str) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000"
        )
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_listening_socket_is_read() {
        for (text, address) in [
            ("0100007F:1F90", "127.0.0.1"),
            ("00000000:1F90", "0.0.0.0"),
            ("0100A8C0:1F90", "192.168.0.1"),
            ("00000000000000000000000000000000:1F90", "::"),
            ("00000000000000000000000001000000:1F90", "::1"),
            ("0000000000000000FFFF00000100007F:1F90", "::ffff:127.0.0.1"),
        ] {
            let expected =
                ListeningSocket { address: address.parse().unwrap(), port: 8080, user: 1000, inode: 4711 };
            assert_eq!(parse(&line(text, "0A")), Some(expected));
        }
    }

    #[test]
    fn anything_else_is_left_out() {
        let established = line("0100007F:1F90", "01");
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        for other in [&established, heading, "", "0: 0100007F 0 0A", "0: zz:1 0 0A 0 0 0 0 0 1"] {
            assert_eq!(parse(other), None);
        }
    }
}
