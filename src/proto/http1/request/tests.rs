use super::*;

#[test]
fn any_request_has_a_host_and_no_body() {
    let host = |request: &str| {
        let head = Head::parse(request.as_bytes()).unwrap();
        check_request(&head).map(|host| host.map(str::to_owned))
    };
    assert_eq!(
        host("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        Ok(Some("a:80".into()))
    );
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n"), Ok(None));
    assert_eq!(
        host("GET / HTTP/1.1\r\n\r\n"),
        Err(RequestRefusal::Missing("Host"))
    );
    assert_eq!(
        host("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        Ok(Some("b".into())),
        "a target that is a whole URL overrules Host"
    );
}
