//! Bytes as a client sends them. Encoded here once more, apart from the crate's own code, so that
//! a fault in that can't hide itself.

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// Set in the first byte of a frame that ends its message.
pub(crate) const FIN: u8 = 0x80;
/// Set in the second byte of a frame that is masked.
pub(crate) const MASKED: u8 = 0x80;

pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A masked frame with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(masked(payload));
    bytes
}

/// The header of a masked frame, the key included.
pub(crate) fn header(first: u8, payload_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload_bytes {
        0..=125 => bytes.push(MASKED | payload_bytes as u8),
        126..=0xFFFF => {
            bytes.push(MASKED | 126);
            bytes.extend((payload_bytes as u16).to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 127);
            bytes.extend(payload_bytes.to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes
}

pub(crate) fn masked(payload: &[u8]) -> Vec<u8> {
    let key = KEY.iter().cycle();
    payload
        .iter()
        .zip(key)
        .map(|(byte, key)| byte ^ key)
        .collect()
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(FIN | BINARY, payload)
}

pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    frame(FIN | PING, payload)
}

/// A close frame with a status code and a reason.
pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// The key of RFC 6455 §1.3, and the answer to it.
pub(crate) const RFC_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const RFC_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header lines of an opening handshake, in order and whole.
pub(crate) const UPGRADE: [&str; 5] = [
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// A request without a body.
pub(crate) fn request(first_line: &str, headers: &[&str]) -> Vec<u8> {
    let mut request = format!("{first_line}\r\n");
    for line in headers {
        request += line;
        request += "\r\n";
    }
    request += "\r\n";
    request.into_bytes()
}

/// The opening handshake for a path.
pub(crate) fn upgrade(path: &str) -> Vec<u8> {
    request(&format!("GET {path} HTTP/1.1"), &UPGRADE)
}

/// An opening handshake in which the line of that header is replaced by these lines.
pub(crate) fn upgrade_but(name: &str, lines: &[&str]) -> Vec<u8> {
    let mut headers = Vec::new();
    for line in UPGRADE {
        if line.starts_with(&format!("{name}:")) {
            headers.extend_from_slice(lines);
        } else {
            headers.push(line);
        }
    }
    request("GET /ws HTTP/1.1", &headers)
}

/// An opening handshake with these lines more.
pub(crate) fn upgrade_and(lines: &[&str]) -> Vec<u8> {
    request("GET /ws HTTP/1.1", &[&UPGRADE[..], lines].concat())
}
