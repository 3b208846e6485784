//! Connections' and the relay's lives: timers, shutting down, running out of descriptors, and
//! clients that vanish. Timers are set short and waited for with deadlines; what is not to happen is
//! told by what happens instead.

mod common;

use common::*;
use rustix::process::Signal;
use std::net::TcpStream;
use std::time::Duration;

/// Timers so long that they never fire in a test, except for those that it sets itself.
const PATIENT: &[&str] = &[
    "--handshake-timeout",
    "1h",
    "--keep-alive-timeout",
    "1h",
    "--heartbeat-interval",
    "1h",
    "--pong-timeout",
    "1h",
    "--stalled-write-timeout",
    "1h",
    "--close-timeout",
    "1h",
];

/// A relay in which only this timer ever fires.
fn impatient(flags: &[&str]) -> Relay {
    let mut all = Vec::new();
    for pair in PATIENT.chunks(2) {
        if !flags.contains(&pair[0]) {
            all.extend_from_slice(pair);
        }
    }
    all.extend_from_slice(flags);
    Relay::start(&all)
}

const PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

mod timers {
    use super::*;

    #[test]
    fn a_request_that_does_not_come_in_time() {
        let mut relay = impatient(&["--handshake-timeout", "300ms"]);
        relay.assert_others_exchange();
        let whole = upgrade("/ws");
        for cut in [0, 1, 4, 30, whole.len() - 1] {
            let mut client = Client::connect(&relay);
            client.send(&whole[..cut]);
            let response = client.response();
            assert_eq!(response.status, 408, "after {cut} bytes");
            assert_eq!(response.header("Connection"), Some("close"));
            client.expect_end();
        }
        relay.assert_others_exchange();
    }

    #[test]
    fn a_request_that_trickles_gains_no_time() {
        let relay = impatient(&["--handshake-timeout", "500ms"]);
        let mut client = Client::connect(&relay);
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n");
        let mut trickled = 0;
        while client.try_send(b"X: y\r\n") && !client.has_input(Duration::from_millis(50)) {
            trickled += 1;
            assert!(trickled < 50, "the relay waits as long as something comes");
        }
        assert_eq!(client.response().status, 408);
    }

    #[test]
    fn a_kept_connection_without_another_request() {
        let mut relay = impatient(&["--keep-alive-timeout", "300ms"]);
        relay.assert_others_exchange();
        let mut client = Client::connect(&relay);
        for _ in 0..3 {
            client.send(PAGE);
            assert_eq!(client.response().status, 200);
        }
        client.expect_end();
        // One that has begun is told.
        let mut client = Client::connect(&relay);
        client.send(PAGE);
        client.response();
        client.send(&PAGE[..10]);
        assert_eq!(client.response().status, 408);
        client.expect_end();
        relay.assert_others_exchange();
    }

    #[test]
    fn a_silent_peer_is_pinged_and_stays_if_it_answers() {
        let relay = impatient(&["--heartbeat-interval", "200ms", "--pong-timeout", "300ms"]);
        let mut client = Client::join(&relay, "/ws");
        for _ in 0..5 {
            client.expect_ping();
            client.send(&frame(FIN | PONG, b""));
        }
        // Anything is a sign of life.
        client.expect_ping();
        client.send(&text("here"));
        client.expect_text("here");
        client.expect_ping();
        client.send(&frame(TEXT, b""));
        client.expect_ping();
        client.expect_gone();
        let log = relay.terminated().stderr;
        assert!(log.contains("1 dead, 0 stalled"), "{log}");
    }

    #[test]
    fn a_peer_that_sends_is_not_pinged() {
        let relay = impatient(&["--heartbeat-interval", "1s", "--pong-timeout", "1s"]);
        let mut client = Client::join(&relay, "/ws");
        let mut silent = Client::join(&relay, "/ws/silent");
        // As long as it takes until another one is pinged, and dropped.
        let mut said = 0;
        while !silent.has_input(Duration::from_millis(20)) {
            client.send(&text("here"));
            client.expect_text("here");
            said += 1;
        }
        assert!(said > 0);
    }

    #[test]
    fn a_topic_without_messages() {
        let mut relay = impatient(&["--idle-timeout", "400ms", "--heartbeat-interval", "100ms"]);
        let mut idle = Client::join(&relay, "/ws");
        // Pings and pongs are no messages.
        let mut pings = 0;
        let close = loop {
            let frame = idle.frame();
            if frame.first == FIN | CLOSE {
                break frame;
            }
            idle.send(&frame_of_pong());
            pings += 1;
            assert!(pings < 50, "pongs keep it open");
        };
        assert_eq!(close.payload[..2], 1001u16.to_be_bytes());
        idle.send(&super::close(1001, b""));
        idle.expect_end();
        assert!(relay.is_running());
    }

    fn frame_of_pong() -> Vec<u8> {
        frame(FIN | PONG, b"")
    }

    #[test]
    fn receiving_and_sending_are_both_not_idle() {
        let relay = impatient(&["--idle-timeout", "600ms"]);
        let mut speaker = Client::join(&relay, "/ws?echo=0");
        let mut listener = Client::join(&relay, "/ws");
        let mut idle = Client::join(&relay, "/ws/elsewhere");
        while !idle.has_input(Duration::from_millis(50)) {
            speaker.send(&text("on and on"));
            listener.expect_text("on and on");
        }
        idle.expect_close(1001);
        speaker.send(&ping(b"still"));
        speaker.expect_pong(b"still");
    }

    #[test]
    fn a_peer_that_takes_nothing_is_dropped() {
        let mut relay = impatient(&[
            "--stalled-write-timeout",
            "300ms",
            "--send-buffer-bytes",
            "16KiB",
        ]);
        relay.assert_others_exchange();
        let descriptors = relay.descriptors();
        let mut stalled = Client::join_small(&relay, "/ws");
        let mut sender = Client::join(&relay, "/ws");
        let message = text(&"x".repeat(1000));
        for _ in 0..200 {
            sender.send(&message);
            sender.frame();
        }
        eventually("it is dropped", || relay.descriptors() == descriptors + 1);
        stalled.expect_gone();
        relay.assert_others_exchange();
        drop(sender);
        let log = relay.terminated().stderr;
        assert!(log.contains("0 dead, 1 stalled"), "{log}");
    }

    #[test]
    fn a_peer_that_does_not_answer_a_close_is_dropped() {
        let mut relay = impatient(&["--close-timeout", "300ms", "--idle-timeout", "100ms"]);
        let mut client = Client::join(&relay, "/ws");
        client.expect_close(1001);
        // Whatever else it says.
        client.send(&text("what?"));
        client.expect_gone();
        assert!(relay.is_running());
    }

    #[test]
    fn a_page_that_is_not_read() {
        let relay = impatient(&[
            "--stalled-write-timeout",
            "300ms",
            "--send-buffer-bytes",
            "4KiB",
        ]);
        let descriptors = relay.descriptors();
        let mut client = Client::connect_small(&relay);
        client.send_what_fits(&PAGE.repeat(1000));
        eventually("it is accepted", || relay.descriptors() > descriptors);
        eventually("it is dropped", || relay.descriptors() == descriptors);
    }
}

mod shutting_down {
    use super::*;

    #[test]
    fn an_idle_relay_ends_with_0() {
        for signal in [Signal::TERM, Signal::INT] {
            let relay = impatient(&[]);
            relay.signal(signal);
            let ended = relay.ended();
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
    }

    #[test]
    fn all_readers_get_what_was_published_and_then_1012() {
        let relay = impatient(&[]);
        let mut sender = Client::join(&relay, "/ws");
        let mut readers: Vec<Client> = (0..20).map(|_| Client::join_small(&relay, "/ws")).collect();
        let mut elsewhere = Client::join(&relay, "/ws/elsewhere");
        let message = "x".repeat(10_000);
        for _ in 0..100 {
            sender.send(&text(&message));
            sender.expect_text(&message);
        }
        relay.signal(Signal::TERM);
        for client in [&mut sender, &mut elsewhere] {
            client.expect_close(1012);
            client.send(&close(1012, b""));
            client.expect_end();
        }
        for reader in &mut readers {
            for _ in 0..100 {
                reader.expect_text(&message);
            }
            reader.expect_close(1012);
            reader.send(&close(1012, b""));
            reader.expect_end();
        }
        let ended = relay.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }

    #[test]
    fn no_new_client_is_let_in_while_others_leave() {
        let relay = impatient(&[]);
        let mut slow = Client::join(&relay, "/ws");
        let mut early = Client::connect(&relay);
        early.send(&upgrade("/ws")[..30]);
        // One turn to accept it, one to read it.
        for turn in [b"1", b"2"] {
            slow.send(&ping(turn));
            slow.expect_pong(turn);
        }
        relay.signal(Signal::TERM);
        slow.expect_close(1012);
        eventually("new connections are refused", || {
            TcpStream::connect(relay.address).is_err()
        });
        // A client in the middle of a request is answered.
        early.send(&upgrade("/ws")[30..]);
        assert_eq!(early.response().status, 503);
        early.expect_end();
        slow.send(&close(1012, b""));
        slow.expect_end();
        assert_eq!(relay.ended().code, Some(0));
    }

    #[test]
    fn an_idle_http_connection_is_closed_at_once() {
        let relay = impatient(&[]);
        let mut silent = Client::connect(&relay);
        let mut served = Client::connect(&relay);
        served.send(PAGE);
        served.response();
        // The page was served, so both were accepted: in one order, from one backlog.
        relay.signal(Signal::TERM);
        silent.expect_end();
        served.expect_end();
        assert_eq!(relay.ended().code, Some(0));
    }

    #[test]
    fn a_page_under_way_is_finished() {
        let relay = impatient(&["--send-buffer-bytes", "4KiB"]);
        let mut client = Client::connect_small(&relay);
        let request = b"GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.send(request);
        eventually("it has begun", || {
            client.has_input(Duration::from_millis(50))
        });
        relay.signal(Signal::TERM);
        assert_eq!(client.response().status, 200);
        client.expect_end();
        assert_eq!(relay.ended().code, Some(0));
    }

    #[test]
    fn a_peer_that_never_answers_holds_nothing_up() {
        let relay = impatient(&["--close-timeout", "400ms"]);
        let mut deaf = Client::join(&relay, "/ws");
        let mut half = Client::connect(&relay);
        half.send(&upgrade("/ws")[..30]);
        relay.signal(Signal::TERM);
        assert_eq!(relay.ended().code, Some(0));
        deaf.expect_close(1012);
        deaf.expect_gone();
    }

    #[test]
    fn a_second_signal_ends_at_once() {
        let relay = impatient(&[]);
        let mut deaf = Client::join(&relay, "/ws");
        relay.signal(Signal::TERM);
        deaf.expect_close(1012);
        relay.signal(Signal::INT);
        let ended = relay.ended();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        deaf.expect_gone();
    }
}

mod running_out {
    use super::*;

    /// CPU time, in ticks of 10 ms, that a relay takes in a second in which nothing happens.
    fn ticks_at_rest(relay: &Relay, bystander: &mut Client) -> u64 {
        let before = relay.cpu_ticks();
        bystander.expect_silence(Duration::from_secs(1));
        relay.cpu_ticks() - before
    }

    #[test]
    fn out_of_descriptors_accepting_pauses_and_resumes_by_itself() {
        // The first runs into the bound that the relay knows of. In the second the process has been
        // handed descriptors that it does not know of, so that it is the system that says no.
        let handed = (10..50)
            .map(|n| format!("exec {n}</dev/null; "))
            .collect::<String>();
        for shell in ["ulimit -n 64", &format!("{handed} ulimit -n 80")] {
            let relay = Relay::start_after(
                shell,
                &["--handshake-timeout", "1h", "--heartbeat-interval", "1h"],
            );
            let mut inside = [Client::join(&relay, "/ws")];
            let mut waiting = Vec::new();
            let before = relay.descriptors();
            for _ in 0..50 {
                let mut client = Client::connect(&relay);
                client.send(&upgrade("/ws"));
                waiting.push(client);
            }
            let mut served = 0;
            while waiting[served].has_input(Duration::from_millis(500)) {
                waiting[served].expect_upgraded();
                served += 1;
            }
            assert_eq!(relay.descriptors(), before + served, "{shell}");
            assert!(
                (25..50).contains(&served),
                "{served} of 50 were let in with {shell}"
            );
            let ticks = ticks_at_rest(&relay, &mut inside[0]);
            assert!(ticks <= 5, "{ticks} ticks of CPU time at rest with {shell}");
            // Open connections are not disturbed.
            inside[0].send(&text("inside"));
            inside[0].expect_text("inside");
            // A client that waits is accepted as soon as another leaves; nothing else has to happen.
            for client in waiting.drain(..served) {
                client.reset();
            }
            for client in &mut waiting {
                client.expect_upgraded();
            }
            let ticks = ticks_at_rest(&relay, &mut waiting[0]);
            assert!(ticks <= 5, "{ticks} ticks of CPU time at rest with {shell}");
        }
    }

    #[test]
    fn with_nothing_to_do_nothing_is_done() {
        let mut relay = Relay::start(&[]);
        relay.assert_others_exchange();
        let mut idle: Vec<Client> = (0..50)
            .map(|n| Client::join(&relay, &format!("/ws/{n}")))
            .collect();
        let _undecided: Vec<Client> = (0..50).map(|_| Client::connect(&relay)).collect();
        let ticks = ticks_at_rest(&relay, &mut idle[0]);
        assert!(ticks <= 3, "{ticks} ticks of CPU time at rest");
    }

    #[test]
    fn stalled_and_lingering_clients_cost_no_cpu_time() {
        let relay = impatient(&["--send-buffer-bytes", "16KiB", "--slow-policy", "skip"]);
        let mut bystander = Client::join(&relay, "/ws/bystander");
        let mut sender = Client::join(&relay, "/ws");
        let mut stalled: Vec<Client> = (0..10).map(|_| Client::join_small(&relay, "/ws")).collect();
        let message = text(&"x".repeat(5000));
        for _ in 0..100 {
            sender.send(&message);
            sender.frame();
        }
        // Closed by its fault, with much still owed; half closed; in the middle of a frame.
        stalled[0].send(b"\xFF\xFF");
        stalled[1].shutdown_write();
        stalled[2].send(&message[..50]);
        stalled[3].send(&close(1000, b""));
        stalled[4].send(&ping(b"!"));
        let mut refused = Client::connect(&relay);
        refused.send(b"nonsense\r\n\r\n");
        refused.response();
        let ticks = ticks_at_rest(&relay, &mut bystander);
        assert!(ticks <= 5, "{ticks} ticks of CPU time at rest");
    }
}

mod vanishing {
    use super::*;

    /// What a client has sent when it goes.
    fn states() -> Vec<(&'static str, Vec<u8>)> {
        let joined = upgrade("/ws/vanishing");
        let after = |bytes: &[u8]| [&joined[..], bytes].concat();
        vec![
            ("before the head", vec![]),
            ("after one byte", b"G".to_vec()),
            ("in the head", joined[..joined.len() / 2].to_vec()),
            (
                "before the head's last byte",
                joined[..joined.len() - 1].to_vec(),
            ),
            ("after a bad head", b"nonsense\r\n\r\n".to_vec()),
            ("after a page", PAGE.to_vec()),
            ("in the second request", [PAGE, &PAGE[..9]].concat()),
            ("after joining", joined.clone()),
            ("in a header", after(&text("hello")[..1])),
            ("in a payload", after(&text("hello")[..8])),
            ("after a message", after(&text("hello"))),
            ("in a message", after(&frame(TEXT, b"hello"))),
            (
                "in a ping in a message",
                after(&[frame(TEXT, b"a"), ping(b"hello")[..7].to_vec()].concat()),
            ),
            ("after a fault", after(b"\xFF\xFF")),
            ("after its close frame", after(&close(1000, b""))),
            ("in its close frame", after(&close(1000, b"")[..7])),
        ]
    }

    #[test]
    fn by_reset_or_end_at_every_state() {
        let mut relay = impatient(&[]);
        relay.assert_others_exchange();
        let (descriptors, resident) = (relay.descriptors(), relay.resident_kib());
        for round in 0..30 {
            for (what, bytes) in states() {
                let mut client = Client::connect(&relay);
                client.send(&bytes);
                // In some rounds it hears the answer first, in others it is gone before that.
                if round % 2 == 0 && bytes.ends_with(b"\r\n\r\n") {
                    assert!(client.has_input(DEADLINE), "no answer {what}");
                }
                match round % 3 {
                    0 => client.reset(),
                    1 => drop(client),
                    _ => {
                        client.shutdown_write();
                        client.rest();
                    }
                }
            }
        }
        eventually("every descriptor is given back", || {
            relay.descriptors() == descriptors
        });
        relay.assert_others_exchange();
        let grown = relay.resident_kib().saturating_sub(resident);
        assert!(grown < 1024, "{grown} KiB for clients that are gone");
        // No connection is left for the shutdown to wait for.
        assert_eq!(relay.terminated().code, Some(0));
    }

    #[test]
    fn in_silence_at_every_state() {
        let mut relay = Relay::start(&[
            "--handshake-timeout",
            "500ms",
            "--keep-alive-timeout",
            "500ms",
            "--heartbeat-interval",
            "500ms",
            "--pong-timeout",
            "500ms",
            "--close-timeout",
            "500ms",
        ]);
        let descriptors = relay.descriptors();
        let mut silent: Vec<Client> = states()
            .iter()
            .map(|(_, bytes)| {
                let mut client = Client::connect(&relay);
                client.send(bytes);
                client
            })
            .collect();
        for client in &mut silent {
            client.expect_gone();
        }
        eventually("every descriptor is given back", || {
            relay.descriptors() == descriptors
        });
        relay.assert_others_exchange();
    }

    #[test]
    fn half_closed_clients_get_what_they_are_owed() {
        let relay = impatient(&["--send-buffer-bytes", "16KiB"]);
        let mut reader = Client::join(&relay, "/ws");
        let mut client = Client::join_small(&relay, "/ws");
        let message = "x".repeat(5000);
        let bytes = text(&message).repeat(100);
        client.send(&bytes);
        client.shutdown_write();
        for _ in 0..100 {
            reader.expect_text(&message);
        }
        for _ in 0..100 {
            client.expect_text(&message);
        }
        client.expect_closed(1000);
        reader.send(&ping(b"still"));
        reader.expect_pong(b"still");
    }

    #[test]
    fn half_closed_with_the_very_first_bytes() {
        let relay = impatient(&[]);
        let mut reader = Client::join(&relay, "/ws");
        let mut client = Client::connect(&relay);
        client.send(&[upgrade("/ws"), text("all in one")].concat());
        client.shutdown_write();
        client.expect_upgraded();
        client.expect_text("all in one");
        client.expect_closed(1000);
        reader.expect_text("all in one");
        // And pages.
        let mut client = Client::connect(&relay);
        client.send(&PAGE.repeat(3));
        client.shutdown_write();
        for _ in 0..3 {
            assert_eq!(client.response().status, 200);
        }
        client.expect_end();
    }
}
