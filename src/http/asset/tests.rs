use super::*;
use crate::fuzz;
use crate::http::{Answer, Status, route};
use proptest::prelude::*;

fn site(paths: &[&str]) -> Site {
    Site::new(paths.iter().map(|path| File {
        path: path.as_bytes().to_vec(),
        body: path.as_bytes().into(),
        modified: None,
    }))
}

/// The answer to a request for this target: status, body, and where else it is.
fn get(site: &Site, target: &str) -> (u16, String, Option<String>) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = Head::parse(head.as_bytes()).expect("a head");
    let Answer::Respond(response) = route(&head, site, &[]) else {
        panic!("{target} is no WebSocket");
    };
    let body = String::from_utf8_lossy(&response.body).into_owned();
    let encoded = String::from_utf8(response.encode_head(None)).expect("text");
    let location = encoded
        .lines()
        .find_map(|line| line.strip_prefix("Location: "));
    (response.status.line().0, body, location.map(str::to_owned))
}

#[test]
fn a_path_is_decoded_once_and_looked_up() {
    let site = site(&[
        "index.html",
        "a b.txt",
        "ü/100%.html",
        "%2e",
        "back\\slash",
        "a/b",
    ]);
    for (target, file) in [
        ("/", "index.html"),
        ("/?query", "index.html"),
        ("/index.html", "index.html"),
        ("/a%20b.txt", "a b.txt"),
        ("/%61%20b%2Etxt", "a b.txt"),
        ("/%C3%BC/100%25.html", "ü/100%.html"),
        ("/%c3%bc/100%.html", "ü/100%.html"),
        ("/%252e", "%2e"),
        ("/back%5Cslash", "back\\slash"),
        ("/a/b", "a/b"),
        ("http://host/a/b?c", "a/b"),
    ] {
        assert_eq!(get(&site, target), (200, file.into(), None), "{target}");
    }
    for target in [
        "/a%2Fb",
        "/a%2fb",
        "/a//b",
        "//a/b",
        "/./a/b",
        "/a/./b",
        "/a/../a/b",
        "/x/%2e%2e/a/b",
        "/..%5cindex.html",
        "/a/b/",
        "/a/b%00",
        "/a/b%00.html",
        "/A/B",
        "/a",
        "/a/",
        "/%2e",
        "/%2525",
        "*",
    ] {
        assert_eq!(get(&site, target).0, 404, "{target}");
    }
}

#[test]
fn a_folder_is_its_index_and_has_a_slash() {
    let site = site(&[
        "docs/index.html",
        "docs/old docs/index.html",
        "javascript:x/index.html",
        "\r\nSet-Cookie: a=b/index.html",
        "empty/file",
    ]);
    assert_eq!(get(&site, "/docs/").1, "docs/index.html");
    for (target, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=b", "./docs/?a=b"),
        ("/docs/old%20docs", "./old%20docs/"),
        ("/javascript:x", "./javascript%3Ax/"),
        ("/%0D%0ASet-Cookie:%20a=b", "./%0D%0ASet-Cookie%3A%20a%3Db/"),
    ] {
        let (status, _, found) = get(&site, target);
        assert_eq!(
            (status, found.as_deref()),
            (301, Some(location)),
            "{target}"
        );
    }
    for target in ["/empty", "/empty/", "/", "//docs", "/docs//"] {
        assert_eq!(get(&site, target).0, 404, "{target}");
    }
}

#[test]
fn content_types() {
    for (path, body, expected) in [
        ("a.html", "x", "text/html; charset=utf-8"),
        ("a.HTM", "x", "text/html; charset=utf-8"),
        ("a.js", "x", "text/javascript; charset=utf-8"),
        ("a.css", "ü", "text/css; charset=utf-8"),
        ("a.json", "{}", "application/json"),
        ("a.svg", "<svg/>", "image/svg+xml"),
        ("a.png", "x", "image/png"),
        ("a.webp", "x", "image/webp"),
        ("a.avif", "x", "image/avif"),
        ("a.ico", "x", "image/x-icon"),
        ("a.woff2", "x", "font/woff2"),
        ("a.wasm", "x", "application/wasm"),
        ("a.mp4", "x", "video/mp4"),
        ("a.pdf", "x", "application/pdf"),
        ("a.webmanifest", "{}", "application/manifest+json"),
        ("a.tar.gz", "x", "application/gzip"),
        ("a.unheard-of", "x", "application/octet-stream"),
        ("html", "x", "application/octet-stream"),
        ("a.html/LICENSE", "x", "application/octet-stream"),
    ] {
        let found = content_type(path.as_bytes(), body.as_bytes());
        assert_eq!(found, expected, "{path}");
    }
    // What it is encoded in is not known then, and the page may say it.
    assert_eq!(content_type(b"a.html", b"caf\xe9"), "text/html");
}

#[test]
fn memory_is_shared_with_the_site_before() {
    let before = site(&["index.html", "a/index.html", "old"]);
    // A new date does not make a file another one.
    let date = std::time::SystemTime::UNIX_EPOCH.into();
    let is_strong = true;
    let after = Site::new(["index.html", "a/index.html", "new"].map(|path| File {
        path: path.into(),
        body: match path {
            "index.html" => b"another page".as_slice().into(),
            path => path.as_bytes().into(),
        },
        modified: Some(Modified { date, is_strong }),
    }));
    let shared = after.sharing(&before);
    let asset = |site: &Site, path: &str| match site.0.get(path.as_bytes()) {
        Some(Entry::File(asset)) => Some(asset.body.clone()),
        _ => None,
    };
    let is_shared = |path| {
        let (before, after) = (asset(&before, path), asset(&shared, path));
        before.zip(after).is_some_and(|(a, b)| Arc::ptr_eq(&a, &b))
    };
    assert!(is_shared("/a/") && is_shared("/a/index.html"));
    assert!(!is_shared("/") && !is_shared("/index.html"));
    assert_eq!(asset(&shared, "/"), asset(&after, "/"));
    let head = Head::parse(b"HEAD /a/ HTTP/1.1\r\nHost: a\r\n\r\n").expect("a head");
    let shown = shared.find(&head).expect("a page").encode_head(None);
    let shown = String::from_utf8(shown).expect("text");
    assert!(shown.contains("Last-Modified: Thu, 01 Jan 1970"), "{shown}");
    assert!(asset(&shared, "/new").is_some() && asset(&shared, "/old").is_none());
}

#[test]
fn the_embedded_page_is_confined_and_others_are_not() {
    let embedded = Site::embedded();
    let head = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a head");
    let encoded = |site: &Site| {
        let response = site.find(&head).expect("a page");
        assert_eq!(response.status, Status::Ok);
        String::from_utf8(response.encode_head(None)).expect("text")
    };
    assert!(encoded(&embedded).contains("Content-Security-Policy: "));
    let own = encoded(&site(&["index.html"]));
    assert!(!own.contains("Content-Security-Policy: "), "{own}");
    assert!(own.contains("X-Content-Type-Options: nosniff\r\n"), "{own}");
}

/// Pieces of paths that try to leave the folder.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/",
        "//",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%252e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "etc",
        "passwd",
        "a",
        "b",
        "index.html",
        "%61",
        "%c3%bc",
        "%",
        "%zz",
        "?",
        "~",
        ";",
        "ws",
        ".git",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[!-~&&[^#]]{1,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_path_leads_outside(pieces in prop::collection::vec(piece(), 0..12)) {
        fuzz::path(format!("/{}", pieces.concat()).as_bytes());
    }
}
