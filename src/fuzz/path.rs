//! Paths of requests: whatever they are, they lead to a file of the site that they name, or nowhere.

use crate::http::{Answer, File, Site, Status, route};
use crate::proto::{Head, HeadScanner};

/// The files there are, each with its path as its content.
const FILES: &[&str] = &[
    "index.html",
    "a/index.html",
    "a/b",
    "a/ü.txt",
    "%2e%2e",
    "back\\slash",
    ".well-known/x",
];

/// All of it is the target of a request.
pub fn path(data: &[u8]) {
    let bytes = [b"GET ", data, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    if HeadScanner::default().scan(&bytes, bytes.len()) != Ok(Some(bytes.len())) {
        return;
    }
    let Ok(head) = Head::parse(&bytes) else {
        return;
    };
    let site = Site::new(FILES.iter().map(|path| File {
        path: path.as_bytes().to_vec(),
        body: path.as_bytes().into(),
        modified: None,
    }));
    let Answer::Respond(response) = route(&head, &site, &[]) else {
        panic!("no upgrade was asked for");
    };
    let meant = decode(head.path());
    match response.status {
        Status::Ok => {
            let file = str::from_utf8(&response.body).expect("a path of ours");
            assert!(FILES.contains(&file));
            let file = [b"/", file.as_bytes()].concat();
            let index = [&meant[..], b"index.html"].concat();
            assert!(meant == file || meant.ends_with(b"/") && index == file);
        }
        Status::MovedPermanently => {
            assert_eq!(meant, b"/a");
            let head = String::from_utf8(response.encode_head(None)).expect("text");
            let mut lines = head.lines();
            let location = lines.find_map(|line| line.strip_prefix("Location: "));
            let (path, query) = location
                .map(|location| location.split_once('?').unwrap_or((location, "")))
                .expect("it says where to");
            assert_eq!((path, query), ("./a/", head_query(&bytes)));
        }
        status => assert!(status.is_error()),
    }
}

/// Each `%` with two digits behind it, and nothing else, stands for another byte.
fn decode(path: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    decoded
}

/// What is behind the question mark of a request's target.
fn head_query(request: &[u8]) -> &str {
    let line = request.split(|&byte| byte == b'\r').next();
    let line = line.and_then(|line| str::from_utf8(line).ok());
    let line = line.and_then(|line| line.strip_suffix(" HTTP/1.1"));
    let query = line.and_then(|line| line.split_once('?'));
    query.map_or("", |(_, query)| query)
}
