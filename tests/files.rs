//! `--public`: the files of a folder over real sockets, for honest clients, slow ones, and those that try to
//! get what is not in it.

mod common;

use common::*;
use fanfare::sys::clock::time_of_day;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

const HOST: &str = "Host: localhost";

/// What must not be seen, as it lies beside the folder, or hidden in it.
const SECRET: &str = "nobody may see this";

/// A folder of one test's own: what is served lies in `public` beneath it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{test}"));
        let _ = fs::remove_dir_all(&path);
        let folder = Folder(path);
        fs::create_dir_all(folder.public()).expect("a folder of our own");
        fs::write(folder.0.join("secret"), SECRET).expect("a folder of our own");
        folder
    }

    fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Folder {
        let path = self.public().join(path);
        fs::create_dir_all(path.parent().expect("beneath it")).expect("it is ours");
        fs::write(path, bytes).expect("it is ours");
        self
    }

    /// Replaces a file by a rename, as one should publish.
    fn replace(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let new = self.0.join("new");
        fs::write(&new, bytes).expect("it is ours");
        fs::rename(new, self.public().join(path)).expect("it is ours");
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.public().join(path)).expect("it is ours");
    }

    fn serve(&self, flags: &[&str]) -> Relay {
        let public = self.public();
        let public = public.to_str().expect("a path of ours");
        Relay::start(&[&["--public", public], flags].concat())
    }

    /// Runs the binary with this folder, which it is to refuse; returns what it says.
    fn refused(&self, path: &str, flags: &[&str]) -> String {
        let mut command = command();
        command
            .args(["--listen", "127.0.0.1:0", "--public"])
            .arg(self.0.join(path))
            .args(flags);
        let Output { status, stderr, .. } = command.output().expect("the binary starts");
        let said = String::from_utf8(stderr).expect("text");
        assert_eq!(status.code(), Some(2), "{said}");
        said
    }
}

fn get(path: &str) -> Vec<u8> {
    request(&format!("GET {path} HTTP/1.1"), &[HOST])
}

fn fetch(relay: &Relay, path: &str) -> Response {
    let mut client = Client::connect(relay);
    client.send(&get(path));
    client.response()
}

/// Bytes that differ from place to place, and from seed to seed.
fn noise(seed: u32, bytes: usize) -> Vec<u8> {
    let word = |index: u32| (index ^ seed).wrapping_mul(0x9E37_79B9).to_le_bytes();
    let words = (0..bytes.div_ceil(4) as u32).flat_map(word);
    words.take(bytes).collect()
}

#[test]
fn files_in_place_of_the_page() {
    let folder = Folder::new("types");
    folder
        .write("index.html", "<h1>hello</h1>")
        .write("app.js", "let a;")
        .write("fonts/a.woff2", noise(1, 5000))
        .write("data", "?")
        .write("empty.css", "");
    let mut relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    for (path, file, content_type) in [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html", "index.html", "text/html; charset=utf-8"),
        ("/app.js?v=1", "app.js", "text/javascript; charset=utf-8"),
        ("/fonts/a.woff2", "fonts/a.woff2", "font/woff2"),
        ("/data", "data", "application/octet-stream"),
        ("/empty.css", "empty.css", "text/css; charset=utf-8"),
    ] {
        client.send(&get(path));
        let response = client.response();
        let on_disk = fs::read(folder.public().join(file)).expect("it is there");
        assert_eq!((response.status, &response.body), (200, &on_disk), "{path}");
        for (name, expected) in [
            ("Content-Type", content_type),
            ("Connection", "keep-alive"),
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(response.header(name), Some(expected), "{path}");
        }
        assert!(response.header("ETag").is_some() && response.header("Last-Modified").is_some());
        // What a page may load is for its author to say.
        assert_eq!(response.header("Content-Security-Policy"), None);
        // And all of it without the body.
        client.send(&request(&format!("HEAD {path} HTTP/1.1"), &[HOST]));
        assert_eq!(client.response_to_head().head, response.head, "{path}");
    }
    // Nothing of the page that is built in is left.
    assert_eq!(fetch(&relay, "/style.css").status, 404);
    relay.assert_others_exchange();
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let folder = Folder::new("conditional");
    folder.write("index.html", "x".repeat(1000));
    let relay = folder.serve(&[]);
    let page = fetch(&relay, "/");
    let tag = page.header("ETag").expect("a tag").to_owned();
    let date = page.header("Last-Modified").expect("a date").to_owned();
    let same = [
        format!("If-None-Match: {tag}"),
        format!("If-None-Match: W/{tag}"),
        format!("If-None-Match: \"a\", W/\"b\",{tag}"),
        // As Apache marks it, which compresses what passes; and as nginx would mark that.
        format!("If-None-Match: {}-gzip\"", tag.trim_end_matches('"')),
        format!("If-None-Match: W/{}-br\"", tag.trim_end_matches('"')),
        "If-None-Match: *".into(),
        format!("If-Modified-Since: {date}"),
        "If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT".into(),
    ];
    let other = [
        "If-None-Match: \"a\"".into(),
        format!("If-None-Match: {}x-gzip\"", &tag[..tag.len() - 2]),
        format!("If-None-Match: {tag}-gzip"),
        "If-None-Match: ".into(),
        format!("If-None-Match: {}", tag.trim_matches('"')),
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(),
        "If-Modified-Since: yesterday".into(),
    ];
    let mut client = Client::connect(&relay);
    for (header, status) in same
        .iter()
        .map(|header| (header, 304))
        .chain(other.iter().map(|header| (header, 200)))
    {
        for method in ["GET", "HEAD"] {
            // A body that should not have come would be taken for the next response.
            client.send(&request(&format!("{method} / HTTP/1.1"), &[HOST, header]));
            let response = match method {
                "GET" => client.response(),
                _ => client.response_to_head(),
            };
            assert_eq!(response.status, status, "{method}, {header}");
            assert_eq!(response.header("ETag"), Some(&*tag), "{header}");
            assert_eq!(response.header("Last-Modified"), Some(&*date), "{header}");
            assert_eq!(response.header("Connection"), Some("keep-alive"));
            if status == 304 {
                assert_eq!(response.header("Content-Length"), None);
                assert_eq!(response.header("Content-Type"), None);
            }
        }
    }
    // The tag wins over the date (RFC 9110 §13.1.3).
    let date = format!("If-Modified-Since: {date}");
    client.send(&request(
        "GET / HTTP/1.1",
        &[HOST, "If-None-Match: \"a\"", &date],
    ));
    assert_eq!(client.response().status, 200);
    // The tag follows from the content alone: it survives a restart and a copy.
    let again = folder.serve(&[]);
    assert_eq!(fetch(&again, "/").header("ETag"), Some(&*tag));
}

/// As players ask for them, Safari's above all, which plays nothing without (RFC 9110 §14).
#[test]
fn parts_of_a_file() {
    let folder = Folder::new("parts");
    let video = noise(12, 300_000);
    folder.write("video.mp4", &video).write("empty", "");
    let mut relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    client.send(&get("/video.mp4"));
    let whole = client.response();
    assert_eq!(whole.header("Accept-Ranges"), Some("bytes"));
    for (range, part) in [
        ("bytes=0-1", 0..2),
        ("bytes=0-", 0..300_000),
        ("bytes=0-299999", 0..300_000),
        ("bytes=100000-250000", 100_000..250_001),
        ("bytes=299999-", 299_999..300_000),
        ("bytes=299998-99999999999999999999999", 299_998..300_000),
        ("bytes=-1", 299_999..300_000),
        ("bytes=-99999999999999999999999", 0..300_000),
    ] {
        let range = format!("Range: {range}");
        client.send(&request("GET /video.mp4 HTTP/1.1", &[HOST, &range]));
        let response = client.response();
        assert_eq!(response.status, 206, "{range}");
        assert!(response.body == video[part.clone()], "{range}");
        let content_range = format!("bytes {}-{}/300000", part.start, part.end - 1);
        assert_eq!(response.header("Content-Range"), Some(&*content_range));
        for name in ["ETag", "Last-Modified", "Content-Type", "Cache-Control"] {
            assert_eq!(response.header(name), whole.header(name), "{range}");
        }
    }
    for range in [
        "bytes=300000-",
        "bytes=-0",
        "bytes=99999999999999999999999-",
    ] {
        let range = format!("Range: {range}");
        client.send(&request("GET /video.mp4 HTTP/1.1", &[HOST, &range]));
        let response = client.response();
        assert_eq!(response.status, 416, "{range}");
        let content_range = response.header("Content-Range");
        assert_eq!(content_range, Some("bytes */300000"), "{range}");
        // A client that resumes a complete download keeps its connection.
        assert_eq!(response.header("Connection"), Some("keep-alive"));
    }
    // HEAD knows no ranges, several at once and what can't be read are not answered in parts, and
    // of nothing there is no part.
    for (line, range) in [
        ("HEAD /video.mp4", "bytes=0-1"),
        ("GET /video.mp4", "bytes=0-1,5-6"),
        ("GET /video.mp4", "bytes=5-1"),
        ("GET /video.mp4", "seconds=0-1"),
        ("GET /empty", "bytes=0-1"),
    ] {
        let (range, line) = (format!("Range: {range}"), format!("{line} HTTP/1.1"));
        client.send(&request(&line, &[HOST, &range]));
        let response = match line.starts_with("HEAD") {
            true => client.response_to_head(),
            false => client.response(),
        };
        assert_eq!(response.status, 200, "{line}, {range}");
        assert_eq!(response.header("Content-Range"), None);
        assert_eq!(response.header("Accept-Ranges"), Some("bytes"));
    }
    relay.assert_others_exchange();
}

#[test]
fn a_resumed_download_gets_the_rest_of_the_same_file_or_all_of_another() {
    let folder = Folder::new("resumed");
    let (old, new) = (noise(13, 100_000), noise(14, 100_000));
    folder.write("file", &old);
    let an_hour_ago = time_of_day() - Duration::from_secs(3600);
    fs::File::open(folder.public().join("file"))
        .and_then(|file| file.set_modified(an_hour_ago))
        .expect("it is ours");
    let relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    client.send(&get("/file"));
    let whole = client.response();
    let (tag, date) = (whole.header("ETag"), whole.header("Last-Modified"));
    let (tag, date) = (tag.expect("a tag"), date.expect("a date"));
    let marked = tag.replace("\"", "");
    let ranged = |conditions: &[String]| {
        let mut client = Client::connect(&relay);
        let mut lines = vec![HOST, "Range: bytes=40000-"];
        lines.extend(conditions.iter().map(|condition| &**condition));
        client.send(&request("GET /file HTTP/1.1", &lines));
        let response = client.response();
        assert!(response.status != 206 || response.body == old[40_000..]);
        assert!(response.status != 200 || response.body == old);
        response.status
    };
    for (condition, status) in [
        (format!("If-Range: {tag}"), 206),
        (format!("If-Range: {date}"), 206),
        (format!("If-Range: W/{tag}"), 200),
        (format!("If-Range: \"{marked}-gzip\""), 200),
        ("If-Range: \"another\"".into(), 200),
        ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT".into(), 200),
        ("If-Range: Fri, 31 Dec 2100 23:59:59 GMT".into(), 200),
        ("If-Range: ".into(), 200),
        (format!("If-Match: {tag}"), 206),
        ("If-Match: *".into(), 206),
        ("If-Match: \"another\"".into(), 412),
        (format!("If-Unmodified-Since: {date}"), 206),
        (
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(),
            412,
        ),
        // What the client has, it has whole.
        (format!("If-None-Match: {tag}"), 304),
        (format!("If-Modified-Since: {date}"), 304),
    ] {
        assert_eq!(
            ranged(std::slice::from_ref(&condition)),
            status,
            "{condition}"
        );
    }
    // In the order of RFC 9110 §13.2.2.
    let (other, held) = ("If-Match: \"another\"", format!("If-None-Match: {tag}"));
    assert_eq!(ranged(&[other.into(), held.clone()]), 412);
    assert_eq!(ranged(&[held, "If-Range: \"another\"".into()]), 304);
    // A part of a file that is there no more is never a part of the one that is.
    let tag = tag.to_owned();
    folder.replace("file", &new);
    relay.signal(Signal::HUP);
    eventually("the new file is served", || {
        fetch(&relay, "/file").body == new
    });
    let condition = format!("If-Range: {tag}");
    client.send(&request(
        "GET /file HTTP/1.1",
        &[HOST, "Range: bytes=40000-", &condition],
    ));
    let response = client.response();
    assert!(response.status == 200 && response.body == new);
}

#[test]
fn folders_have_an_index_and_a_slash() {
    let folder = Folder::new("folders");
    folder
        .write("docs/index.html", "the docs")
        .write("docs/new & old/index.html", "both")
        .write("bare/file", "x");
    let mut relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    for (path, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=1&b", "./docs/?a=1&b"),
        ("/docs/new%20&%20old", "./new%20%26%20old/"),
    ] {
        client.send(&get(path));
        let response = client.response();
        assert_eq!(response.status, 301, "{path}");
        assert_eq!(response.header("Location"), Some(location), "{path}");
        assert!(response.text().contains(location), "{}", response.text());
    }
    for (path, body) in [("/docs/", "the docs"), ("/docs/new%20&%20old/", "both")] {
        client.send(&get(path));
        assert_eq!(client.response().text(), body);
    }
    // Nothing is listed, and there is no page at the top.
    for path in ["/bare", "/bare/", "/"] {
        assert_eq!(fetch(&relay, path).status, 404, "{path}");
    }
    eventually("it is said that there is no page", || {
        relay.log().contains("there is no index.html")
    });
}

#[test]
fn requests_one_after_the_other_and_all_at_once() {
    let folder = Folder::new("pipelined");
    let (large, small) = (noise(2, 300_000), noise(3, 10));
    folder.write("large", &large).write("small", &small);
    let mut relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    let many = [
        get("/small"),
        get("/large"),
        request("HEAD /large HTTP/1.1", &[HOST]),
        request("GET /large HTTP/1.1", &[HOST, "If-None-Match: *"]),
    ];
    client.send(&many.concat().repeat(20));
    for _ in 0..20 {
        assert!(client.response().body == small);
        assert!(client.response().body == large);
        assert_eq!(client.response_to_head().status, 200);
        assert_eq!(client.response().status, 304);
    }
    // A WebSocket may follow.
    client.send(&[get("/large"), upgrade("/ws"), text("after the file")].concat());
    assert!(client.response().body == large);
    client.expect_upgraded();
    client.expect_text("after the file");
    relay.assert_others_exchange();
}

#[test]
fn http_1_0() {
    let folder = Folder::new("http10");
    folder.write("index.html", noise(4, 200_000));
    let relay = folder.serve(&[]);
    let mut client = Client::connect(&relay);
    client.send(b"GET / HTTP/1.0\r\n\r\n");
    let response = client.response();
    assert_eq!(
        (response.status, response.header("Connection")),
        (200, Some("close"))
    );
    assert_eq!(response.body.len(), 200_000);
    client.expect_end();
    let mut client = Client::connect(&relay);
    for header in ["A: b", "If-None-Match: *"].repeat(2) {
        let headers = ["Connection: keep-alive", header];
        client.send(&request("GET / HTTP/1.0", &headers));
        let response = client.response();
        assert_eq!(response.header("Connection"), Some("keep-alive"));
    }
}

fn allow_at(path: &str) -> &'static str {
    match path {
        "/ws" => "GET, HEAD, POST, PUT, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

#[test]
fn files_are_read_and_not_written() {
    let folder = Folder::new("methods");
    folder.write("docs/index.html", "x");
    let mut relay = folder.serve(&[]);
    for method in ["POST", "PUT", "DELETE", "TRACE", "PATCH", "get"] {
        // Into a topic, there may be published; otherwise nothing is written there either.
        let topic = match method {
            "POST" | "PUT" => "/docs/",
            _ => "/ws",
        };
        for (path, status, allow) in [
            ("/docs/", 405, Some("GET, HEAD, OPTIONS")),
            ("/docs", 405, Some("GET, HEAD, OPTIONS")),
            (topic, 405, Some(allow_at(topic))),
            ("/docs/other", 404, None),
        ] {
            let mut client = Client::connect(&relay);
            let line = format!("{method} {path} HTTP/1.1");
            client.send(&request(&line, &[HOST, "Content-Length: 4"]));
            let response = client.response();
            assert_eq!(response.status, status, "{line}");
            assert_eq!(response.header("Allow"), allow, "{line}");
            client.expect_end();
        }
    }
    relay.assert_others_exchange();
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let folder = Folder::new("traversal");
    folder
        .write("index.html", "the page")
        .write("a/file", "x")
        .write("ws/file", SECRET)
        .write(".env", SECRET)
        .write(".git/config", SECRET)
        .write("a/.htpasswd", SECRET);
    folder.link("out", "../secret");
    folder.link("parent", "..");
    folder.link("root", "/");
    folder.link("etc", "/etc");
    folder.link("a/far", "../../secret");
    folder.link("proc", "/proc/self/cwd");
    let mut relay = folder.serve(&[]);
    let mut paths: Vec<String> = [
        "/out",
        "/parent/secret",
        "/root/etc/passwd",
        "/etc/passwd",
        "/a/far",
        "/proc/Cargo.toml",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/a/.htpasswd",
        "/ws%2Ffile",
        "/%77s/file",
        "/ws/file",
        "/a",
        "/a/",
        "/a/file/",
        "/a//file",
        "//a/file",
        "/a%2Ffile",
        "/a/file%00",
        "/a/file%00.html",
        "/a/./file",
        "/a/../a/file",
        "*",
        "/C:/",
        "/~root",
        "/index.html::$DATA",
        "/index.html%20",
        "/index.html.",
        "http://localhost/../secret",
        "/;/../secret",
        "/?/../../secret/../..%2f",
    ]
    .map(str::to_owned)
    .to_vec();
    let ups = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%25%32%65.",
        "..;",
        "...",
        "%c0%ae%c0%ae",
        "..%00",
        "..%0d%0a",
        "%uff0e%uff0e",
    ];
    let slashes = [
        "/",
        "%2f",
        "%252f",
        "\\",
        "%5c",
        "%255c",
        "//",
        "/./",
        "%c0%af",
        "%e2%88%95",
    ];
    for up in ups {
        for slash in slashes {
            for depth in [1, 2, 12] {
                let climb = format!("{up}{slash}").repeat(depth);
                paths.push(format!("/{climb}secret"));
                paths.push(format!("/a/{climb}{climb}secret"));
                paths.push(format!("/a{slash}{climb}secret"));
                paths.push(format!("/{climb}etc/passwd"));
            }
        }
    }
    for path in paths {
        let mut client = Client::connect(&relay);
        client.send(&get(&path));
        let response = client.response();
        let body = response.text();
        assert!(!body.contains(SECRET) && !body.contains("root:"), "{path}");
        // As it is sent, one of them is the page with a query, and one no path at all.
        let is_refused = [400, 404, 426].contains(&response.status);
        assert!(
            is_refused || body == "the page",
            "{path}: {}",
            response.head
        );
        assert!(body != "the page" || path.starts_with("/?"), "{path}");
    }
    relay.assert_others_exchange();
    eventually("it is said what is not served", || {
        relay.log().contains("7 names in ")
    });
}

#[test]
fn links_inside_are_followed() {
    let folder = Folder::new("links");
    // As a cluster mounts them: all of it changes by one rename.
    folder.write("..2026_11/index.html", "today");
    folder.link("..data", "..2026_11");
    folder.link("index.html", "..data/index.html");
    let relay = folder.serve(&[]);
    assert_eq!(fetch(&relay, "/").text(), "today");
    assert_eq!(fetch(&relay, "/..data/index.html").status, 404);
    // The folder may be a link itself, which is looked at anew at each reload.
    let folder = Folder::new("swapped");
    fs::remove_dir(folder.public()).expect("it is empty");
    for version in ["1", "2"] {
        fs::create_dir(folder.0.join(version)).expect("it is ours");
        fs::write(folder.0.join(version).join("index.html"), version).expect("it is ours");
    }
    symlink("1", folder.public()).expect("it is ours");
    let relay = folder.serve(&[]);
    assert_eq!(fetch(&relay, "/").text(), "1");
    symlink("2", folder.0.join("next")).expect("it is ours");
    fs::rename(folder.0.join("next"), folder.public()).expect("it is ours");
    relay.signal(Signal::HUP);
    eventually("the other one is served", || {
        fetch(&relay, "/").text() == "2"
    });
}

#[test]
fn a_slow_download_costs_a_position() {
    const BYTES: usize = 20 << 20;
    const DOWNLOADERS: usize = 50;
    let folder = Folder::new("slow");
    let large = noise(5, BYTES);
    folder.write("large", &large);
    let mut relay = folder.serve(&[]);
    assert!(fetch(&relay, "/large").body == large);
    relay.assert_others_exchange();
    let before = relay.resident_kib();
    let mut slow: Vec<Client> = (0..DOWNLOADERS)
        .map(|_| {
            let mut client = Client::connect_small(&relay);
            client.send(&get("/large"));
            // The head and a part of the body; the rest stays where it is.
            let response = client.response_to_head();
            assert_eq!(response.header("Content-Length"), Some(&*BYTES.to_string()));
            client
        })
        .collect();
    let mut taken = vec![0; DOWNLOADERS];
    for round in 1..=4 {
        for (client, taken) in slow.iter_mut().zip(&mut taken) {
            let part = client.read_bytes(10_000 * round);
            assert!(part == large[*taken..][..part.len()]);
            *taken += part.len();
        }
        relay.assert_others_exchange();
    }
    let after = relay.resident_kib();
    println!("resident: {before} KiB before, {after} KiB with {DOWNLOADERS} downloaders");
    // One more copy of the file would be 20 MiB.
    assert!(after < before + 2048, "{before} KiB, then {after} KiB");
    for (client, taken) in slow.iter_mut().zip(taken).take(2) {
        assert!(client.read_bytes(BYTES - taken) == large[taken..]);
        client.send(&get("/nowhere"));
        assert_eq!(client.response().status, 404);
    }
}

#[test]
fn a_peer_that_takes_nothing_is_dropped() {
    let folder = Folder::new("stalled");
    folder.write("large", noise(6, 8 << 20));
    let mut relay = folder.serve(&["--stalled-write-timeout", "1s"]);
    relay.assert_others_exchange();
    let before = relay.descriptors();
    let mut client = Client::connect_small(&relay);
    client.send(&get("/large"));
    client.response_to_head();
    eventually("it is dropped", || relay.descriptors() == before);
    client.expect_gone();
    relay.assert_others_exchange();
}

#[test]
fn a_reload_replaces_files_and_spares_downloads() {
    let folder = Folder::new("reload");
    // More than the kernel takes in at once.
    let (old, new) = (noise(7, 24 << 20), noise(8, 4 << 20));
    folder.write("large", &old).write("gone", "x");
    let mut relay = folder.serve(&[]);
    relay.assert_others_exchange();
    let mut download = Client::connect(&relay);
    download.send(&get("/large"));
    download.response_to_head();
    assert!(download.read_bytes(1 << 20) == old[..1 << 20]);
    // Written over in place, which is the worst that can be done to it.
    folder.write("large", &new).write("fresh", "y");
    fs::remove_file(folder.public().join("gone")).expect("it is ours");
    relay.signal(Signal::HUP);
    eventually("the new files are served", || {
        fetch(&relay, "/fresh").status == 200
    });
    assert!(fetch(&relay, "/large").body == new);
    assert_eq!(fetch(&relay, "/gone").status, 404);
    // And once more, so that only the download holds the first.
    folder.replace("large", b"tiny");
    relay.signal(Signal::HUP);
    eventually("the newest file is served", || {
        fetch(&relay, "/large").body == b"tiny"
    });
    assert!(download.read_bytes(23 << 20) == old[1 << 20..]);
    download.send(&get("/large"));
    assert!(download.response().body == b"tiny");
    relay.assert_others_exchange();
    assert_eq!(relay.terminated().code, Some(0));
}

#[test]
fn a_failed_reload_keeps_files_and_settings() {
    let folder = Folder::new("failed");
    folder.write("index.html", "good");
    let settings = folder.0.join("settings.toml");
    let public = folder.public();
    let write_settings = |message_bytes_max: &str| {
        let text = format!(
            "public = {public:?}\npublic_bytes_max = '64KiB'\nmessage_bytes_max = '{message_bytes_max}'\n"
        );
        fs::write(&settings, text).expect("it is ours");
    };
    write_settings("1KiB");
    let mut relay = Relay::start(&["--config", settings.to_str().expect("a path of ours")]);
    write_settings("4KiB");
    let mut failures = 0;
    let mut fails_with = |relay: &mut Relay, why: &str| {
        failures += 1;
        relay.signal(Signal::HUP);
        eventually(why, || {
            let log = relay.log();
            log.matches("the settings stay as they were").count() == failures && log.contains(why)
        });
        assert_eq!(fetch(relay, "/").text(), "good");
        let mut client = Client::join(relay, "/ws");
        client.send(&text(&"x".repeat(2000)));
        client.expect_closed(1009);
    };
    folder.write("large", noise(9, 70_000));
    fails_with(&mut relay, "take more than");
    fs::remove_dir_all(&public).expect("it is ours");
    fails_with(&mut relay, "No such file or directory");
    fs::write(&public, "x").expect("it is ours");
    fails_with(&mut relay, "Not a directory");
    fs::remove_file(&public).expect("it is ours");
    folder.write("index.html", "better");
    relay.signal(Signal::HUP);
    eventually("it is loaded again", || {
        fetch(&relay, "/").text() == "better"
    });
    let mut client = Client::join(&relay, "/ws");
    client.send(&text(&"x".repeat(2000)));
    client.expect_text(&"x".repeat(2000));
    // Without a folder, the page that is built in is back.
    fs::write(&settings, "").expect("it is ours");
    relay.signal(Signal::HUP);
    eventually("the chat page is back", || {
        fetch(&relay, "/app.js").status == 200
    });
}

#[test]
fn many_reloads_at_once_end_with_what_is_there() {
    let folder = Folder::new("storm");
    folder
        .write("large", noise(10, 4 << 20))
        .write("version", "0");
    let mut relay = folder.serve(&[]);
    for version in 1..50 {
        folder.replace("version", version.to_string());
        relay.signal(Signal::HUP);
    }
    eventually("the last one is served", || {
        fetch(&relay, "/version").text() == "49"
    });
    relay.assert_others_exchange();
    assert!(
        !relay.log().contains("the settings stay"),
        "{}",
        relay.log()
    );
}

#[test]
fn folders_that_cannot_be_served() {
    let folder = Folder::new("refused");
    folder.write("large", noise(11, 100_000));
    for (path, flags, expected) in [
        ("nowhere", &[][..], "No such file or directory"),
        ("secret", &[], "Not a directory"),
        (
            "public",
            &["--public-bytes-max", "64KiB"],
            "its files take more than --public-bytes-max 64KiB",
        ),
    ] {
        let said = folder.refused(path, flags);
        assert!(
            said.contains("--public ") && said.contains(expected),
            "{said}"
        );
    }
    let deep = "a/".repeat(40);
    folder.write(&format!("{deep}file"), "x");
    let said = folder.refused("public", &[]);
    assert!(
        said.contains("more than 32 folders in one another"),
        "{said}"
    );
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    // What the kernel makes up as it is read has never the size that it had before.
    let folder = Folder::new("changing");
    let said = folder.refused("/proc/self/net", &[]);
    assert!(said.contains("it changed while it was read"), "{said}");
}

#[test]
fn an_empty_folder_serves_nothing_but_websockets() {
    let folder = Folder::new("empty");
    let mut relay = folder.serve(&[]);
    assert_eq!(fetch(&relay, "/").status, 404);
    relay.assert_others_exchange();
}
