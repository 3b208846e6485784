//! What is served at `/`: the chat page that is embedded in the binary.

use super::response::Response;
use std::sync::Arc;

/// A body that many responses share: a connection that is slow to take it holds a position in it.
pub type Body = Arc<[u8]>;

/// Where the page may load from and connect to: its own origin, and nothing inline. What a message
/// holds can't become code, even if the page had a fault.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// The page's files, each by the path that it is served at.
macro_rules! embedded {
    ($($path:literal: $file:literal),* $(,)?) => {
        &[$(($path, $file, include_bytes!(concat!("../web/", $file)))),*]
    };
}

const EMBEDDED: &[(&str, &str, &[u8])] = embedded! {
    "/": "index.html",
    "/app.js": "app.js",
    "/composer.js": "composer.js",
    "/connection.js": "connection.js",
    "/icon.svg": "icon.svg",
    "/log.js": "log.js",
    "/memory.js": "memory.js",
    "/message.js": "message.js",
    "/messages.css": "messages.css",
    "/outbox.js": "outbox.js",
    "/panel.js": "panel.js",
    "/rooms.js": "rooms.js",
    "/status.js": "status.js",
    "/style.css": "style.css",
};

/// The files that are served, by path.
#[derive(Clone, Debug)]
pub struct Site {
    assets: Vec<Asset>,
}

#[derive(Clone, Debug)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: Body,
}

impl Site {
    /// The embedded chat page.
    #[must_use]
    pub fn embedded() -> Self {
        let asset = |&(path, file, body): &(&'static str, &str, &[u8])| Asset {
            path,
            content_type: content_type(file),
            body: body.into(),
        };
        Site {
            assets: EMBEDDED.iter().map(asset).collect(),
        }
    }

    /// The file at that path, as a response.
    pub(super) fn find(&self, path: &str) -> Option<Response> {
        let asset = self.assets.iter().find(|asset| asset.path == path)?;
        Some(Response::ok(
            asset.content_type,
            HEADERS,
            asset.body.clone(),
        ))
    }
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
