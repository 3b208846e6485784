//! Figures as people write them.

use super::super::options::TargetOptions;

/// `1,234,567`; below 100 with one decimal place.
pub(in super::super) fn grouped(number: f64) -> String {
    if number.fract() != 0.0 && number.abs() < 100.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut out = String::from(if number < 0.0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 reader`, `2 readers`.
pub(in super::super) fn count_of(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{} {what}s", grouped(count as f64)),
    }
}

/// So many readers, and what of.
pub(in super::super) fn readers(count: usize, target: &TargetOptions) -> String {
    let of_what = if target.sse {
        " of server-sent events"
    } else {
        ""
    };
    format!("{}{of_what}", count_of(count, "reader"))
}

/// Nanoseconds in the unit that suits them.
pub(super) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        nanos if nanos < 1e3 => (nanos, "ns"),
        nanos if nanos < 1e6 => (nanos / 1e3, "µs"),
        nanos if nanos < 1e9 => (nanos / 1e6, "ms"),
        nanos => (nanos / 1e9, "s"),
    };
    format!("{} {unit}", significant(value))
}

/// Bytes in the unit that suits them.
pub(super) fn bytes(bytes: f64) -> String {
    let (value, unit) = match bytes {
        bytes if bytes.abs() < 1024.0 => (bytes, "B"),
        bytes if bytes.abs() < 1024.0 * 1024.0 => (bytes / 1024.0, "KiB"),
        bytes if bytes.abs() < 1024.0 * 1024.0 * 1024.0 => (bytes / 1024.0 / 1024.0, "MiB"),
        bytes => (bytes / 1024.0 / 1024.0 / 1024.0, "GiB"),
    };
    format!("{} {unit}", significant(value))
}

/// Three digits, as far as there are any.
fn significant(value: f64) -> String {
    match value {
        value if value.abs() >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_as_people_write_them() {
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(123.0), "123");
        assert_eq!(grouped(-4321.4), "-4,321");
        assert_eq!(grouped(12.34), "12.3");
        assert_eq!(time(999.0), "999 ns");
        assert_eq!(time(1_540.0), "1.54 µs");
        assert_eq!(time(25e6), "25 ms");
        assert_eq!(time(61.52e9), "61.5 s");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(-4438544.0), "-4.23 MiB");
        assert_eq!(count_of(1, "reader"), "1 reader");
        assert_eq!(count_of(1000, "reader"), "1,000 readers");
    }
}
