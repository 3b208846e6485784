//! What is served at `/`: files by path, all of them in memory.
//!
//! A path is decoded once and looked up. Nothing is normalised and nothing is opened, so no path
//! leads anywhere but to one of the files that the site was made of.

use super::policy::content_security_policy;
use super::range::{self, Wanted};
use super::response::{Body, Response, ResponseHeader, owned};
use super::validators::{Condition, Modified, Validators};
use crate::proto::Head;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Headers that every file has: a cache has to revalidate it, and its type is not to be guessed.
const HEADERS: &[(&str, &str)] = &[
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
];

/// What a folder is asked for.
const INDEX: &str = "index.html";

/// What stands in a path as it is (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The page's files.
macro_rules! embedded {
    ($($file:literal),* $(,)?) => {
        [$(($file, &include_bytes!(concat!("../web/", $file))[..])),*]
    };
}

/// The files that are served, by path. Clones share them.
#[derive(Clone, Debug)]
pub struct Site(Arc<HashMap<Box<[u8]>, Entry>>);

/// A file to be served.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path beneath the folder, as bytes of the file system: `docs/index.html`.
    pub path: Vec<u8>,
    /// What is in it.
    pub body: Body,
    /// When it was changed last, if that is known.
    pub modified: Option<Modified>,
}

/// What is at a path.
#[derive(Clone, Debug)]
enum Entry {
    File(Arc<Asset>),
    /// A folder's name without the slash that its files' relative links need.
    Folder,
}

#[derive(Clone, Debug)]
struct Asset {
    content_type: Cow<'static, str>,
    body: Body,
    validators: Validators,
    /// Whether it belongs to the embedded page, which gets a content security policy. Those of other files
    /// are their authors' decision.
    is_embedded: bool,
}

impl Site {
    /// The embedded chat page.
    #[must_use]
    pub fn embedded() -> Self {
        let files = embedded![
            "index.html",
            "app.js",
            "composer.js",
            "connection.js",
            "icon.svg",
            "log.js",
            "memory.js",
            "message.js",
            "messages.css",
            "outbox.js",
            "panel.js",
            "rooms.js",
            "session.js",
            "status.js",
            "style.css",
        ];
        let files = files.into_iter().map(|(path, body)| File {
            path: path.into(),
            body: body.into(),
            modified: None,
        });
        Site::build(files, true)
    }

    /// These files.
    pub fn new(files: impl IntoIterator<Item = File>) -> Self {
        Site::build(files, false)
    }

    fn build(files: impl IntoIterator<Item = File>, is_embedded: bool) -> Self {
        let mut entries = HashMap::new();
        for file in files {
            let asset = Arc::new(Asset {
                content_type: content_type(&file.path, &file.body),
                validators: Validators::new(&file.body, file.modified),
                body: file.body,
                is_embedded,
            });
            let path = [b"/", &file.path[..]].concat();
            if let Some(folder) = path.strip_suffix(INDEX.as_bytes())
                && folder.ends_with(b"/")
            {
                entries.insert(folder.into(), Entry::File(asset.clone()));
                // There can't be a file of that name, too. The root's name is empty, and never a path.
                let name = &folder[..folder.len() - 1];
                entries.insert(name.into(), Entry::Folder);
            }
            entries.insert(path.into(), Entry::File(asset));
        }
        Site(Arc::new(entries))
    }

    /// The same site, sharing the memory of files that `other` holds already: an unchanged file that is
    /// still being downloaded is not held twice.
    #[must_use]
    pub fn sharing(&self, other: &Site) -> Site {
        let mut entries = HashMap::clone(&self.0);
        for (path, entry) in &mut entries {
            if let Entry::File(asset) = entry
                && let Some(Entry::File(held)) = other.0.get(path)
                && asset.validators.are_of_same_content(&held.validators)
            {
                Arc::make_mut(asset).body = held.body.clone();
            }
        }
        Site(Arc::new(entries))
    }

    /// What there is at a path, as a response to this request.
    pub(super) fn find(&self, head: &Head) -> Option<Response> {
        let path = decode(head.path())?;
        match self.0.get(&*path)? {
            Entry::File(asset) => Some(asset.respond(head)),
            Entry::Folder => Some(Response::moved(with_slash(&path, head.query()))),
        }
    }
}

impl Asset {
    fn respond(&self, head: &Head) -> Response {
        let mut headers: Vec<ResponseHeader> = owned(HEADERS);
        if self.is_embedded {
            let policy = content_security_policy(head);
            headers.push(("Content-Security-Policy", policy.into()));
            headers.push(("Referrer-Policy", "no-referrer".into()));
        }
        headers.extend(self.validators.headers());
        match self.validators.check(head) {
            Condition::Failed => return Response::changed(),
            Condition::NotModified => return Response::not_modified(headers),
            Condition::Holds => {}
        }
        headers.push(("Accept-Ranges", "bytes".into()));
        let whole = Response::ok(self.content_type.clone(), headers, self.body.clone());
        if !self.validators.allow_parts(head) {
            return whole;
        }
        match range::wanted(head, self.body.len()) {
            Wanted::Whole => whole,
            Wanted::Part(part) => whole.of_part(part),
            Wanted::Nothing => Response::no_such_part(self.body.len()),
        }
    }
}

/// A path, percent-decoded. None if that would give it another slash, which a proxy that decides by path
/// would not have seen.
fn decode(path: &str) -> Option<Cow<'_, [u8]>> {
    let decoded: Cow<[u8]> = percent_decode_str(path).into();
    let slashes = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'/').count();
    (slashes(&decoded) == slashes(path.as_bytes())).then_some(decoded)
}

/// A folder's proper address, relative to the one without a slash: a proxy may have put a prefix
/// before that. It begins with a dot, so that no name can pass for a scheme or a host.
fn with_slash(path: &[u8], query: Option<&str>) -> String {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let name = percent_encode(name, UNRESERVED);
    match query {
        Some(query) => format!("./{name}/?{query}"),
        None => format!("./{name}/"),
    }
}

/// The type that a name's extension stands for. Text says that it is UTF-8 if it is.
fn content_type(path: &[u8], body: &[u8]) -> Cow<'static, str> {
    let path = String::from_utf8_lossy(path);
    let guessed = mime_guess::from_path(&*path).first_raw();
    match guessed.unwrap_or("application/octet-stream") {
        text if text.starts_with("text/") && str::from_utf8(body).is_ok() => {
            format!("{text}; charset=utf-8").into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
