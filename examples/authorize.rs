//! A relay that lets in clients with a token, into the topic that the token is for, and counts those that
//! are connected.
//!
//! ```sh
//! cargo run --release --example authorize
//! ```
//!
//! `ws://127.0.0.1:8080/ws/any?token=open-sesame` joins the topic `cave`; others get 401. Tokens in
//! a real program are signed, expire, and come from its login page.

use fanfare::config::Config;
use fanfare::http::Status;
use fanfare::relay::{ConnId, Decision, Hooks, TopicRequest};
use fanfare::server::Server;
use std::collections::HashMap;
use std::error::Error;

/// The tokens that are valid, and how many clients are connected.
struct Doorkeeper {
    topic_by_token: HashMap<&'static str, &'static str>,
    present: usize,
}

impl Hooks for Doorkeeper {
    fn on_request(&mut self, request: &TopicRequest<'_>) -> Decision {
        let query = request.head.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let token = pairs.find_map(|(key, value)| (key == "token").then_some(value));
        match token.and_then(|token| self.topic_by_token.get(&*token)) {
            Some(&topic) => Decision::Topic(topic.into()),
            None => Decision::Refuse(Status::Unauthorized, "Bring a token: ?token=…".into()),
        }
    }

    fn on_join(&mut self, id: ConnId, topic: &str) {
        self.present += 1;
        println!("{id:?} joined {topic}: {} present", self.present);
    }

    fn on_leave(&mut self, id: ConnId, topic: &str) {
        self.present -= 1;
        println!("{id:?} left {topic}: {} present", self.present);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let topic_by_token = HashMap::from([("open-sesame", "cave"), ("speak-friend", "moria")]);
    let mut server = Server::bind(&Config::default())?;
    server.set_hooks(Doorkeeper {
        topic_by_token,
        present: 0,
    });
    server.handle_signals()?;
    println!(
        "connect to ws://{}/ws/any?token=open-sesame",
        server.addresses()[0]
    );
    server.run()?;
    Ok(())
}
