//! The report as people read it.

use super::document::{Document, Latency, Outcome};
use super::figures::{bytes, count_of, grouped, time};
use super::layout::{NO_BREAK, Page};

/// Columns of a bar of the histogram, if there is space, and what stands before it.
const BAR: usize = 40;
const BEFORE_BAR: usize = 30;
/// Rows of the histogram.
const ROWS: usize = 11;

/// The whole report, a line for each figure, as wide as the terminal if it goes to one.
pub(super) fn table(document: &Document, columns: Option<usize>) -> String {
    let mut out = Page::new(columns);
    out.heading(&format!("{}: {}", document.scenario, document.title));
    match document.outcome {
        Outcome::Complete => {}
        Outcome::Interrupted => out.paragraph(0, "INTERRUPTED: partial results"),
        Outcome::GivenUp(why) => out.paragraph(0, &format!("GIVEN UP: {why}. Partial results")),
    }
    verdict(document, &mut out);
    requests(document, &mut out);
    messages(document, &mut out);
    churn(document, &mut out);
    stalled(document, &mut out);
    returns(document, &mut out);
    server(document, &mut out);
    client_and_kernel(document, &mut out);
    connections(document, &mut out);
    if !document.warnings.is_empty() {
        out.blank();
    }
    for warning in &document.warnings {
        out.paragraph(WARNING.len(), &format!("{WARNING}{warning}."));
    }
    out.into_text()
}

const WARNING: &str = "Warning: ";

/// Whether everything arrived stands above all figures.
fn verdict(document: &Document, out: &mut Page) {
    let pings = document.connections.pings;
    if !document.correct {
        out.line("correct", "NO");
    } else if document.is_blank() {
        out.line("correct", "unknown: nothing was measured");
    } else if document.messages.is_some() {
        let what = "yes: no gap, no duplicate, no swap, payloads whole";
        out.line("correct", what);
    } else if document.requests.is_some() {
        out.line(
            "correct",
            "yes: every request was answered with a status 2xx",
        );
    } else if document.churn.is_some() {
        let what = "yes: messages came back whole, close frames were answered";
        out.line("correct", what);
    }
    for (fault, count) in &document.faults {
        out.line("  fault", &format!("{} {fault}", grouped(*count as f64)));
    }
    if pings > 0 {
        out.line("pings answered", &grouped(pings as f64));
    }
}

fn requests(document: &Document, out: &mut Page) {
    let Some(requests) = &document.requests else {
        return;
    };
    out.heading("Requests");
    out.line("measured for", &time(requests.duration_ns as f64));
    out.line(
        "answered",
        &format!(
            "{} ({}/s, {}/s of payload)",
            grouped(requests.succeeded as f64),
            grouped(requests.succeeded_per_s),
            bytes(requests.succeeded_per_s * requests.payload_bytes_mean)
        ),
    );
    if requests.failed > 0 {
        out.line("failed", &grouped(requests.failed as f64));
    }
    if let Some(answer) = &requests.first_failure {
        out.line("first failure", answer);
    }
    out.line(
        "bytes",
        &format!(
            "{} sent, {} received",
            bytes(requests.sent_bytes as f64),
            bytes(requests.received_bytes as f64)
        ),
    );
    latency("latency", &requests.latency, out);
    histogram(&requests.latency, out);
}

fn messages(document: &Document, out: &mut Page) {
    let Some(messages) = &document.messages else {
        return;
    };
    out.heading("Messages");
    out.line("measured for", &time(messages.duration_ns as f64));
    out.line(
        "published",
        &format!(
            "{} ({}/s)",
            grouped(messages.published as f64),
            grouped(messages.published_per_s)
        ),
    );
    out.line(
        "delivered",
        &format!(
            "{} ({}/s, {}/s of payload)",
            grouped(messages.delivered as f64),
            grouped(messages.delivered_per_s),
            bytes(messages.delivered_per_s * messages.payload_bytes_mean)
        ),
    );
    latency("latency", &messages.latency, out);
    histogram(&messages.latency, out);
}

fn churn(document: &Document, out: &mut Page) {
    let Some(churn) = &document.churn else { return };
    out.heading("Churn");
    out.line(
        "cycles",
        &format!(
            "{} ({}/s) in {}",
            grouped(churn.cycles as f64),
            grouped(churn.cycles_per_s),
            time(churn.duration_ns as f64)
        ),
    );
    latency("message and back", &churn.message, out);
    if let Some(leak) = churn.resident_bytes_per_cycle {
        out.line("memory growth per cycle", &format!("{leak:.2} B"));
    }
    if let Some(leaked) = churn.descriptors_leaked {
        out.line("descriptors leaked", &leaked.to_string());
    }
}

fn stalled(document: &Document, out: &mut Page) {
    let Some(stalled) = &document.stalled else {
        return;
    };
    out.heading("Stalled readers");
    if let Some(ratio) = stalled.rate_ratio {
        let rate = format!("{ratio:.3} of what it was before");
        out.line("rate of the others", &rate);
    }
    latency("latency before", &stalled.latency_before, out);
    out.line(
        "published meanwhile",
        &bytes(stalled.published_bytes as f64),
    );
    if let Some(growth) = stalled.resident_bytes_growth {
        out.line("server memory growth", &bytes(growth as f64));
    }
    for (ending, count) in &stalled.endings {
        out.line(
            "of the stalled",
            &format!("{} {ending}", grouped(*count as f64)),
        );
    }
    if stalled.skipped > 0 {
        out.line("skipped by them", &grouped(stalled.skipped as f64));
    }
}

fn returns(document: &Document, out: &mut Page) {
    let Some(returns) = &document.returns else {
        return;
    };
    out.heading("Readers that came back");
    let number = |count: u64| grouped(count as f64);
    out.line(
        "came back",
        &format!(
            "{} of {} that were cut off",
            number(returns.came_back),
            number(returns.cut_off)
        ),
    );
    out.line("replayed", &count_of(returns.replayed as usize, "message"));
    let gaps = match returns.gaps {
        0 => "none".into(),
        gaps => format!(
            "{}, of {}",
            number(gaps),
            count_of(returns.missed as usize, "message")
        ),
    };
    out.line("gaps told", &gaps);
    latency("until caught up", &returns.coming_back, out);
}

fn server(document: &Document, out: &mut Page) {
    let Some(server) = &document.server else {
        return;
    };
    out.heading(match document.scenario.as_str() {
        "limit" => "Sender",
        _ => "Server",
    });
    if let Some(each) = server.cpu_ns_per_request {
        out.line("CPU per request", &format!("{:.4} µs", each / 1e3));
    }
    if let Some(each) = server.cpu_ns_per_delivery {
        out.line("CPU per delivery", &format!("{:.4} µs", each / 1e3));
    }
    out.line(
        "CPU",
        &format!(
            "{} ({:.0} % of a core; user {}, kernel {})",
            time(server.cpu_ns as f64),
            server.cpu_percent,
            time(server.cpu_user_ns as f64),
            time(server.cpu_system_ns as f64)
        ),
    );
    out.line(
        "memory",
        &format!(
            "{} resident, {} proportional ({} and {} before)",
            bytes(server.after.resident_bytes as f64),
            bytes(server.after.proportional_bytes as f64),
            bytes(server.before.resident_bytes as f64),
            bytes(server.before.proportional_bytes as f64)
        ),
    );
    let each: Vec<String> = [
        (server.resident_bytes_per_connection, "resident"),
        (server.proportional_bytes_per_connection, "proportional"),
    ]
    .iter()
    .filter_map(|(each, kind)| Some(format!("{:.0} B {kind}", (*each)?)))
    .collect();
    if !each.is_empty() {
        out.line("memory per connection", &each.join(", "));
    }
    out.line(
        "descriptors",
        &format!(
            "{} ({} before)",
            server.after.descriptors, server.before.descriptors
        ),
    );
}

fn client_and_kernel(document: &Document, out: &mut Page) {
    let client = &document.client;
    out.heading("Client and kernel");
    let each = |nanos: Option<f64>, of_what: &str| {
        nanos.map_or(String::new(), |nanos| {
            format!("{:.4} µs per {of_what}, ", nanos / 1e3)
        })
    };
    out.line(
        "client CPU",
        &format!(
            "{}{}{:.0} % of a core",
            each(client.cpu_ns_per_request, "request"),
            each(client.cpu_ns_per_delivery, "delivery"),
            client.cpu_percent
        ),
    );
    let kernel = &document.kernel;
    let each = kernel.bytes_per_connection.map_or(String::new(), |each| {
        format!("; {} per connection, both ends", bytes(each))
    });
    out.line(
        "kernel memory",
        &format!(
            "TCP buffers {} ({} before), slab {} ({} before){each}",
            known(kernel.tcp_bytes_after),
            known(kernel.tcp_bytes_before),
            known(kernel.slab_bytes_after),
            known(kernel.slab_bytes_before),
        ),
    );
}

fn known(amount: Option<u64>) -> String {
    amount.map_or("unknown".into(), |amount| bytes(amount as f64))
}

/// Those that did not open are among the faults.
fn connections(document: &Document, out: &mut Page) {
    let connections = &document.connections;
    if connections.opened == 0 && connections.failed.is_empty() {
        return;
    }
    out.heading("Connections");
    let rate = connections.opened as f64 * 1e9 / connections.opening_ns.max(1) as f64;
    out.line(
        "opened",
        &format!(
            "{} in {} ({}/s)",
            grouped(connections.opened as f64),
            time(connections.opening_ns as f64),
            grouped(rate)
        ),
    );
    let addresses: Vec<String> = connections
        .addresses
        .iter()
        .map(|it| it.to_string())
        .collect();
    if !addresses.is_empty() {
        out.line("to", &addresses.join(", "));
    }
    latency("handshake", &connections.handshake, out);
}

fn latency(name: &str, latency: &Latency, out: &mut Page) {
    if latency.count == 0 {
        return;
    }
    let of = |nanos: u64| time(nanos as f64);
    out.line(
        name,
        &format!(
            "p50 {}   p90 {}   p99 {}   p99.9 {}   max{NO_BREAK}{}",
            of(latency.p50_ns),
            of(latency.p90_ns),
            of(latency.p99_ns),
            of(latency.p99_9_ns),
            of(latency.max_ns)
        ),
    );
}

/// Bars over equal spans of time, from the fastest to p99.9; what is beyond has one of its own.
fn histogram(latency: &Latency, out: &mut Page) {
    let (low, high) = (latency.min_ns, latency.p99_9_ns);
    if latency.count < ROWS as u64 || high <= low {
        return;
    }
    let width = (high - low).div_ceil(ROWS as u64);
    let mut rows = [0; ROWS + 1];
    for &(value, count) in &latency.buckets {
        let row = (value.saturating_sub(low) / width) as usize;
        rows[row.min(ROWS)] += count;
    }
    let most = rows.iter().copied().max().unwrap_or(1).max(1);
    let bar_max = BAR.min(out.columns_after(BEFORE_BAR));
    out.blank();
    for (row, &count) in rows.iter().enumerate() {
        let upper = low + width * (row as u64 + 1);
        let label = match row {
            ROWS => format!("> {}", time(high as f64)),
            _ => format!("≤ {}", time(upper as f64)),
        };
        let bar = "■".repeat((count as f64 / most as f64 * bar_max as f64).ceil() as usize);
        let count = grouped(count as f64);
        out.paragraph(BEFORE_BAR, &format!("  {label:>12} {count:>14} {bar}"));
    }
}
