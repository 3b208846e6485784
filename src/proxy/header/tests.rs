use super::*;
use proptest::prelude::*;

/// Version 2, with this command, family and transport, and these bytes behind.
fn binary(version_and_command: u8, family_and_transport: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([version_and_command, family_and_transport]);
    bytes.extend((rest.len() as u16).to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn client(bytes: &[u8]) -> NamedClient {
    let header = parse(bytes).expect("a header").expect("a whole one");
    assert_eq!(header.bytes, bytes.len());
    header.client
}

fn address(text: &str) -> NamedClient {
    NamedClient::Tcp(text.parse().expect("an address"))
}

#[test]
fn lines_of_version_1() {
    for (line, expected) in [
        (
            "TCP4 203.0.113.7 192.0.2.1 4711 80",
            address("203.0.113.7:4711"),
        ),
        ("TCP4 0.0.0.0 255.255.255.255 0 65535", address("0.0.0.0:0")),
        (
            "TCP6 2001:db8::1 ::1 4711 80",
            address("[2001:db8::1]:4711"),
        ),
        ("TCP6 ::ffff:203.0.113.7 ::1 1 2", address("203.0.113.7:1")),
        (
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            address("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("UNKNOWN", NamedClient::Unsaid),
        ("UNKNOWN whatever 1 2 3", NamedClient::Unsaid),
    ] {
        assert_eq!(
            client(format!("PROXY {line}\r\n").as_bytes()),
            expected,
            "{line}"
        );
    }
}

#[test]
fn malformed_lines_of_version_1() {
    for line in [
        "TCP4 203.0.113.7 192.0.2.1 4711\r\n",
        "TCP4 203.0.113.7 192.0.2.1 4711 80 \r\n",
        "TCP4 203.0.113.7 192.0.2.1 4711 80 9\r\n",
        "TCP4  203.0.113.7 192.0.2.1 4711 80\r\n",
        "TCP4 203.0.113.07 192.0.2.1 4711 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 04711 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 +4711 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 65536 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 -1 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 4711 x\r\n",
        "TCP4 203.0.113.7 host 4711 80\r\n",
        "TCP4 2001:db8::1 ::1 4711 80\r\n",
        "TCP6 203.0.113.7 192.0.2.1 4711 80\r\n",
        "TCP5 203.0.113.7 192.0.2.1 4711 80\r\n",
        "tcp4 203.0.113.7 192.0.2.1 4711 80\r\n",
        "UDP4 203.0.113.7 192.0.2.1 4711 80\r\n",
        "UNKNOWNS\r\n",
        "\r\n",
        "TCP4\t203.0.113.7 192.0.2.1 4711 80\r\n",
        "TCP4 203.0.113.7 192.0.2.1 4711 80\n",
        "TCP4 203.0.113.7 192.0.2.1 4711 80\rX",
        "TCP4 203.0.113.7\0",
        "UNKNOWN \u{e9}\r\n",
    ] {
        let bytes = format!("PROXY {line}");
        assert_eq!(
            parse(bytes.as_bytes()),
            Err(ProxyHeaderError::Line),
            "{line:?}"
        );
    }
}

#[test]
fn a_line_ends_within_107_bytes() {
    let line = |bytes: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(bytes - 16)).into_bytes();
    assert_eq!(client(&line(107)), NamedClient::Unsaid);
    assert_eq!(parse(&line(108)), Err(ProxyHeaderError::TooLong));
    assert_eq!(parse(&line(108)[..107]), Err(ProxyHeaderError::TooLong));
    assert_eq!(parse(&line(108)[..106]), Ok(None));
    assert_eq!(parse(&line(5000)), Err(ProxyHeaderError::TooLong));
}

#[test]
fn headers_of_version_2() {
    let ipv4 = [203, 0, 113, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 80];
    let mut ipv6 = [0; 36];
    ipv6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    ipv6[15] = 1;
    ipv6[32..].copy_from_slice(&[0x12, 0x67, 0, 80]);
    let tlv = [0x04, 0, 3, 1, 2, 3];
    for (bytes, expected) in [
        (binary(0x21, 0x11, &ipv4), address("203.0.113.7:4711")),
        (binary(0x21, 0x12, &ipv4), address("203.0.113.7:4711")),
        (
            binary(0x21, 0x11, &[&ipv4[..], &tlv].concat()),
            address("203.0.113.7:4711"),
        ),
        (binary(0x21, 0x21, &ipv6), address("[2001:db8::1]:4711")),
        (
            binary(0x21, 0x21, &[&ipv6[..], &tlv].concat()),
            address("[2001:db8::1]:4711"),
        ),
        (binary(0x21, 0x31, &[b'/'; 216]), NamedClient::Unix),
        (binary(0x21, 0x00, b""), NamedClient::Unsaid),
        (binary(0x21, 0x01, &tlv), NamedClient::Unsaid),
        // A check of the proxy's own: addresses may be there, and mean nothing.
        (binary(0x20, 0x00, b""), NamedClient::Unsaid),
        (binary(0x20, 0x11, &ipv4), NamedClient::Unsaid),
        (binary(0x20, 0x21, &tlv), NamedClient::Unsaid),
        (
            binary(0x21, 0x11, &[&ipv4[..], &[0; 4068]].concat()),
            address("203.0.113.7:4711"),
        ),
    ] {
        assert_eq!(client(&bytes), expected, "{bytes:x?}");
    }
    ipv6[..16].copy_from_slice(&Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped().octets());
    assert_eq!(
        client(&binary(0x21, 0x21, &ipv6)),
        address("203.0.113.7:4711")
    );
}

#[test]
fn malformed_headers_of_version_2() {
    for (bytes, expected) in [
        (binary(0x11, 0x11, &[0; 12]), ProxyHeaderError::Kind),
        (binary(0x22, 0x11, &[0; 12]), ProxyHeaderError::Kind),
        (binary(0x2F, 0x11, &[0; 12]), ProxyHeaderError::Kind),
        (binary(0x21, 0x41, &[0; 12]), ProxyHeaderError::Kind),
        (binary(0x21, 0x13, &[0; 12]), ProxyHeaderError::Kind),
        (binary(0x21, 0x11, &[0; 11]), ProxyHeaderError::Length),
        (binary(0x21, 0x21, &[0; 35]), ProxyHeaderError::Length),
        (binary(0x21, 0x31, &[0; 215]), ProxyHeaderError::Length),
        (binary(0x21, 0x11, &[0; 4081]), ProxyHeaderError::TooLong),
        (binary(0x21, 0x00, &[0; 65535]), ProxyHeaderError::TooLong),
    ] {
        // What follows the length changes nothing.
        for end in [FIXED_BYTES, bytes.len()] {
            assert_eq!(parse(&bytes[..end]), Err(expected), "{:x?}", &bytes[..16]);
        }
    }
}

#[test]
fn what_is_no_header_is_refused_at_the_first_wrong_byte() {
    for bytes in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXz",
        b"PROXY\r",
        b"\r\n\r\nx",
        b"\n",
        b"\0",
    ] {
        assert_eq!(parse(bytes), Err(ProxyHeaderError::Start), "{bytes:?}");
    }
}

#[test]
fn errors_are_told_in_sentences() {
    for error in [
        ProxyHeaderError::Start,
        ProxyHeaderError::Line,
        ProxyHeaderError::Kind,
        ProxyHeaderError::Length,
        ProxyHeaderError::TooLong,
    ] {
        assert!(error.to_string().ends_with('.'), "{error:?}");
    }
}

/// Headers as proxies write them, and what they say.
fn header() -> impl Strategy<Value = (Vec<u8>, NamedClient)> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ];
    let tlvs = proptest::collection::vec(any::<u8>(), 0..300);
    (address, any::<u16>(), any::<bool>(), tlvs).prop_map(|(ip, port, is_binary, tlvs)| {
        let client = tcp(SocketAddr::new(ip, port));
        let bytes = match (ip, is_binary) {
            (IpAddr::V4(ip), false) => {
                format!("PROXY TCP4 {ip} 192.0.2.1 {port} 80\r\n").into_bytes()
            }
            (IpAddr::V6(ip), false) => format!("PROXY TCP6 {ip} ::1 {port} 80\r\n").into_bytes(),
            (IpAddr::V4(ip), true) => {
                let ports = [port.to_be_bytes(), [0, 80]].concat();
                binary(
                    0x21,
                    0x11,
                    &[&ip.octets()[..], &[192, 0, 2, 1], &ports, &tlvs].concat(),
                )
            }
            (IpAddr::V6(ip), true) => {
                let ports = [port.to_be_bytes(), [0, 80]].concat();
                binary(
                    0x21,
                    0x21,
                    &[&ip.octets()[..], &[0; 16], &ports, &tlvs].concat(),
                )
            }
        };
        (bytes, client)
    })
}

proptest! {
    #[test]
    fn what_a_proxy_wrote_is_read_wherever_it_is_cut((bytes, client) in header(), rest: Vec<u8>) {
        for end in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..end]), Ok(None));
        }
        let expected = Ok(Some(ProxyHeader { client, bytes: bytes.len() }));
        prop_assert_eq!(parse(&bytes), expected);
        prop_assert_eq!(parse(&[bytes, rest].concat()), expected);
    }

    #[test]
    fn a_spoilt_header_has_one_verdict(
        (mut bytes, _) in header(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        crate::fuzz::proxy(&bytes);
    }
}
