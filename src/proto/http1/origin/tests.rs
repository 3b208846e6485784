use super::*;

#[test]
fn origins() {
    let host = "example.com";
    let cases: [(Option<&str>, &str, &[&str], bool); 30] = [
        (None, host, &[], true),
        (Some("http://example.com"), host, &[], true),
        (Some("https://example.com"), host, &[], true),
        (Some("https://EXAMPLE.com"), "Example.COM", &[], true),
        (Some("http://example.com:80"), host, &[], true),
        (Some("https://example.com"), "example.com:443", &[], true),
        (
            Some("http://example.com:8080"),
            "example.com:8080",
            &[],
            true,
        ),
        (Some("http://[::1]:8080"), "[::1]:8080", &[], true),
        (Some("http://example.com:8080"), host, &[], false),
        (Some("http://example.com"), "example.com:8080", &[], false),
        (Some("http://sub.example.com"), host, &[], false),
        (Some("http://example.com.evil"), host, &[], false),
        (Some("http://evil.example"), host, &[], false),
        (Some("null"), host, &[], false),
        (Some("null"), "null", &["null"], false),
        (Some(""), host, &[], false),
        (Some("example.com"), host, &[], false),
        (Some("http://example.com/path"), host, &[], false),
        (Some("null"), host, &["*"], true),
        (Some("http://evil.example"), host, &["*"], true),
        (
            Some("https://app.example"),
            host,
            &["http://b", "https://app.example"],
            true,
        ),
        (
            Some("https://app.example"),
            host,
            &["https://APP.example:443/"],
            true,
        ),
        (
            Some("http://app.example"),
            host,
            &["https://app.example"],
            false,
        ),
        (Some("http://app.example"), host, &["app.example"], true),
        (
            Some("https://evil.example/x.app.example"),
            host,
            &["*.app.example", "https://*"],
            false,
        ),
        (
            Some("https://x@app.example"),
            host,
            &["https://*app.example"],
            false,
        ),
        (
            Some("https://a.app.example:8443"),
            host,
            &["*.app.example"],
            false,
        ),
        (Some("http://[::1]:8080"), host, &["http://[::1]:*"], true),
        (Some("file://"), host, &["file://"], true),
        (
            Some("http://example.com"),
            host,
            &["https://app.example"],
            true,
        ),
    ];
    for (origin, host, allowed, expected) in cases {
        let verdict = check_origin(origin, host, allowed);
        assert_eq!(verdict.is_ok(), expected, "{origin:?} {host} {allowed:?}");
        if let Err(refusal) = verdict {
            assert_eq!((Some(refusal.origin), refusal.host), (origin, host));
            let sentence = refusal.to_string();
            assert!(sentence.contains(refusal.origin) && sentence.contains(host));
        }
    }
}
