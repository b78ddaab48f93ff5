use jiff::Timestamp;
use std::time::Duration;

/// A number of bytes, with three significant digits and a binary unit.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    // 999.5 would be shown as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// The time from one instant to another; none when they stand the other way round.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    duration(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}

/// A length of time, in the unit that suits it.
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0 if d.as_millis() < 1000 => format!("{} ms", d.as_millis()),
        0..60 => format!("{:.1} s", d.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        let sizes = [0, 1023, 1024, 1536, 1 << 20, 2_400_000_000, 1023 << 20, u64::MAX].map(bytes);
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.00 KiB", "1.50 KiB", "1.00 MiB", "2.24 GiB", "1.00 GiB", "16.0 EiB"]
        );
        let times = [5, 1500, 61_000, 3_700_000, 90_000_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(times, ["5 ms", "1.5 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
