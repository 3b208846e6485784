//! Signals: SIGTERM and SIGINT end the relay, SIGHUP loads settings and files again.

use super::reload::Loaded;
use super::{SIGNAL, Server, read_site};
use crate::config::{Config, ConfigError};
use crate::http::Site;
use crate::journal;
use crate::sys::clock::ticks;
use crate::sys::descriptors;
use crate::sys::notify::Notifier;
use crate::wheel::Tick;
use mio::Interest;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

impl Server {
    /// Ends at SIGINT and SIGTERM, at a second one at once; reloads at SIGHUP.
    pub fn handle_signals(&mut self) -> io::Result<()> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        self.poll
            .registry()
            .register(&mut signals, SIGNAL, Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// Sets where the settings come from at SIGHUP. It is called on a thread of its own, and may block.
    pub fn set_load(&mut self, load: impl FnMut() -> Result<Config, ConfigError> + Send + 'static) {
        self.reloads.load = Some(Arc::new(Mutex::new(load)));
    }

    /// If a service manager started this process, tells it when the relay is ready, reloads and ends, and, for
    /// its watchdog, that the loop turns.
    pub fn notify_manager(&mut self) -> io::Result<()> {
        self.notifier = Notifier::from_env()?;
        Ok(())
    }

    /// What the service manager shows as the status.
    pub(super) fn status(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("listening on {}", addresses.join(", "))
    }

    /// Does what signals ask for; true if that is to end at once.
    pub(super) fn on_signals(&mut self, now: Tick) -> bool {
        let pending: Vec<i32> = self.signals.iter_mut().flat_map(Signals::pending).collect();
        for signal in pending {
            if signal == SIGHUP {
                self.on_hangup();
            } else if self.ends.is_some() {
                return true;
            } else {
                self.shut_down(now);
            }
        }
        false
    }

    /// Accepts no connection any more, and closes all.
    pub(super) fn shut_down(&mut self, now: Tick) {
        if self.ends.is_none() {
            self.acceptor.close(self.poll.registry());
            let drain = self.relay.handle_shutdown(ticks(self.config.drain.0));
            let close_timeout = ticks(self.config.close_timeout.0);
            let ends = now.after(drain).after(close_timeout);
            self.notifier.stopping(self.clock.until(ends));
            self.ends = Some(ends);
        }
    }

    /// Begins a reload. Settings and files are read by a thread of its own, so that the loop does not wait
    /// for a disk, or for a pipe in a file's place; they change together, or none does.
    fn on_hangup(&mut self) {
        let reloads = &mut self.reloads;
        if reloads.is_under_way {
            reloads.is_due_again = true;
            return;
        }
        self.notifier.reloading();
        let Some(load) = reloads.load.clone() else {
            return self.notifier.ready(&self.status());
        };
        reloads.is_under_way = true;
        let mailbox = self.inbox.mailbox();
        let before = self.relay.site().clone();
        let read = move || {
            // There is one such thread at a time, and one that panicked has left nothing half done.
            let mut load = load.lock().unwrap_or_else(PoisonError::into_inner);
            let loaded = load().and_then(|wanted| {
                wanted.limits()?;
                let site = read_site(&wanted)?;
                Ok((wanted, site.sharing(&before)))
            });
            // If the loop has ended meanwhile, it is not needed.
            let _ = mailbox.reload(loaded);
        };
        if let Err(error) = Builder::new().name("reload".into()).spawn(read) {
            self.on_loaded(Err(format!("can't start a thread: {error}").into()));
        }
    }

    /// Settings and files were read, or are wrong.
    pub(super) fn on_loaded(&mut self, loaded: Loaded) {
        let status = match loaded.and_then(|(wanted, site)| self.reload(&wanted, site)) {
            Ok(()) => self.status(),
            Err(error) => {
                for problem in error.problems() {
                    log::error!("the settings stay as they were: {problem}");
                }
                format!("{}; the last reload failed", self.status())
            }
        };
        self.reloads.is_under_way = false;
        if mem::take(&mut self.reloads.is_due_again) {
            return self.on_hangup();
        }
        self.notifier.ready(&status);
    }

    /// Adopts what can change without touching a connection. If anything is wrong with the new
    /// settings, the old ones stay, all of them.
    fn reload(&mut self, wanted: &Config, site: Site) -> Result<(), ConfigError> {
        let mut config = self.config.clone();
        let held = config.adopt(wanted);
        let limits = config.limits()?;
        let listeners = self.addresses.len() + self.admin_addresses.len();
        let sockets_max = config.sockets_max(descriptors::raise_limit(), listeners)?;
        for held in held {
            log::warn!(
                "{} changes with a restart only: it stays {}, and would be {}",
                held.name,
                held.in_force,
                held.wanted
            );
        }
        self.inbox.set_message_bytes_max(limits.message_bytes_max);
        self.relay.set_limits(limits);
        self.relay.set_site(site);
        self.acceptor.set_sockets_max(sockets_max);
        journal::set_level(config.log_level.0);
        self.config = config;
        log::info!("the settings were loaded again");
        Ok(())
    }
}
