//! Kubernetes' quantities (`1500m`, `2Gi`, `1e3`), exactly:
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use serde_json::Value;
use std::{
    fmt,
    iter::Sum,
    ops::{Add, Mul},
};

/// An amount in billionths, which is as fine as quantities are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

const ONE: i128 = 1_000_000_000;
/// No quantity is larger: servers cap them here.
const MOST: i128 = i64::MAX as i128 * ONE;
/// More digits than any quantity needs, and few enough to calculate with.
const DIGITS: usize = 28;
const DECIMAL: [(&str, i32); 9] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// A whole number.
    pub fn whole(number: u64) -> Self {
        Quantity((i128::from(number) * ONE).min(MOST))
    }

    /// The same as a number; `None` when it is not a whole one, or less than nothing.
    pub fn to_whole(self) -> Option<u64> {
        if self.0 % ONE == 0 { u64::try_from(self.0 / ONE).ok() } else { None }
    }

    /// Reads a quantity; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let (power, factor) = scale(suffix)?;
        // In billionths.
        let power = power.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let amount = match digits {
            "" => 0,
            digits if digits.len() > DIGITS => return None,
            digits => times(digits.parse().ok()?, factor, power),
        };
        Some(Quantity(if negative { -amount } else { amount }))
    }

    /// Reads a field of an object: quantities may be written as numbers, too.
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }
}

/// What a suffix means: a power of ten, and a factor.
fn scale(suffix: &str) -> Option<(i32, i128)> {
    if suffix.is_empty() {
        return Some((0, 1));
    }
    if let Some(at) = BINARY.iter().position(|it| *it == suffix) {
        return Some((0, 1 << (10 * (at + 1))));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(it, _)| *it == suffix) {
        return Some((*power, 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    (plain.len() <= 3 && plain.bytes().all(|it| it.is_ascii_digit())).then_some(())?;
    Some((exponent.parse().ok()?, 1))
}

/// `number` × `factor` × 10^`power`, rounded up, and capped as servers do it.
fn times(number: i128, factor: i128, power: i32) -> i128 {
    let Some(product) = number.checked_mul(factor) else { return MOST };
    let ten = 10_i128.checked_pow(power.unsigned_abs());
    match (power < 0, ten) {
        (true, Some(ten)) => (product / ten + i128::from(product % ten != 0)).min(MOST),
        (true, None) => 1,
        (false, Some(ten)) => product.checked_mul(ten).unwrap_or(MOST).min(MOST),
        (false, None) => MOST,
    }
}

impl Add for Quantity {
    type Output = Quantity;

    fn add(self, other: Self) -> Self {
        Quantity((self.0 + other.0).clamp(-MOST, MOST))
    }
}

impl Mul<u64> for Quantity {
    type Output = Quantity;

    fn mul(self, times: u64) -> Self {
        Quantity(self.0.saturating_mul(i128::from(times)).clamp(-MOST, MOST))
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Quantity::default(), Add::add)
    }
}

/// As one would write it: whole mebibytes and more as such, parts of one as thousandths where that is exact.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.0;
        if amount % ONE != 0 {
            return match amount % (ONE / 1000) {
                0 => write!(f, "{}m", amount / (ONE / 1000)),
                _ => write!(f, "{amount}n"),
            };
        }
        let whole = amount / ONE;
        let fits = |at: &usize| whole != 0 && whole % (1 << (10 * (at + 1))) == 0;
        match (1..BINARY.len()).rev().find(fits) {
            Some(at) => write!(f, "{}{}", whole >> (10 * (at + 1)), BINARY[at]),
            None => write!(f, "{whole}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn nanos(text: &str) -> Option<i128> {
        Quantity::parse(text).map(|it| it.0)
    }

    #[test]
    fn every_suffix_is_known() {
        let exact = [
            ("1n", 1),
            ("1u", 1_000),
            ("1m", 1_000_000),
            ("1", ONE),
            ("1k", 1_000 * ONE),
            ("1M", 1_000_000 * ONE),
            ("1G", 1_000_000_000 * ONE),
            ("1T", 1_000_000_000_000 * ONE),
            ("1P", 1_000_000_000_000_000 * ONE),
            ("1E", 1_000_000_000_000_000_000 * ONE),
            ("1Ki", ONE << 10),
            ("1Mi", ONE << 20),
            ("1Gi", ONE << 30),
            ("1Ti", ONE << 40),
            ("1Pi", ONE << 50),
            ("1Ei", ONE << 60),
            ("1e3", 1_000 * ONE),
            ("1E3", 1_000 * ONE),
            ("12e-1", 1_200_000_000),
            ("+1.5Gi", (ONE << 30) + (ONE << 29)),
            (".5", ONE / 2),
            ("5.", 5 * ONE),
            ("-2m", -2_000_000),
            ("0.1Ki", 102_400_000_000),
            ("00", 0),
        ];
        for (text, amount) in exact {
            assert_eq!(nanos(text), Some(amount), "{text}");
        }
    }

    #[test]
    fn what_is_finer_is_rounded_up_and_what_is_more_is_capped() {
        assert_eq!(nanos("0.1n"), Some(1));
        assert_eq!(nanos("1e-99"), Some(1));
        assert_eq!(nanos("1e99"), Some(MOST));
        assert_eq!(nanos("100E"), Some(MOST));
        assert_eq!(nanos("9999999999999999999999999999Ei"), Some(MOST));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        let long = "1".repeat(200);
        for text in [
            "", "-", ".", "Gi", "1KI", "1ki", "1K", "1 Gi", "1.2.3", "1e", "1e1.5", "1e9999", "0x1", "１",
            &long,
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
        assert_eq!(Quantity::read(&json!(2)), Some(Quantity::whole(2)));
        assert_eq!(Quantity::read(&json!(0.5)), Quantity::parse("500m"));
        assert_eq!(Quantity::read(&json!(null)), None);
    }

    #[test]
    fn sums_are_written_as_one_would() {
        for (text, written) in [
            ("1536Mi", "1536Mi"),
            ("2048Mi", "2Gi"),
            ("2048", "2048"),
            ("1500m", "1500m"),
            ("3000m", "3"),
            ("1u", "1000n"),
            ("0", "0"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), written);
        }
        let three: Quantity = ["500m", "2", "500m"].map(|it| Quantity::parse(it).unwrap()).into_iter().sum();
        assert_eq!(three, Quantity::whole(3));
        assert_eq!(Quantity::parse("1500m").unwrap() * 4, Quantity::whole(6));
        assert_eq!(Quantity::whole(u64::MAX) * u64::MAX, Quantity(MOST));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(amount in -MOST..=MOST) {
            prop_assert_eq!(Quantity::parse(&Quantity(amount).to_string()), Some(Quantity(amount)));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[-+0-9.eEKkMGTPinum]{0,40}") {
            let _ = Quantity::parse(&text);
        }
    }
}
