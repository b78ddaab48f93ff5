//! Of what a run is a part, and whether it is told at all.

/// The span that a run belongs to, as W3C's Trace Context writes it: `00-<trace>-<span>-<flags>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    /// The trace.
    pub trace: u128,
    /// The span in it.
    pub span: u64,
    /// Is that trace told?
    pub sampled: bool,
}

impl Parent {
    /// Reads one; none where it is not as it should be.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split('-');
        let mut field = |length: usize| {
            let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            fields.next().filter(|it| it.len() == length && it.chars().all(digit))
        };
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        // A later version may say more behind that.
        if version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace != 0 && span != 0).then_some(Parent { trace, span, sampled })
    }
}

/// Which runs are told: `OTEL_TRACES_SAMPLER` and its argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// A run that is part of something is told when that is.
    with_parent: bool,
    /// Of others, so large a share.
    share: f64,
}

impl Sampler {
    /// Reads the two variables. An error says what is wrong.
    pub(super) fn parse(name: Option<&str>, argument: Option<&str>) -> Result<Self, String> {
        let name = name.unwrap_or("parentbased_always_on");
        let (with_parent, rule) = match name.strip_prefix("parentbased_") {
            Some(rule) => (true, rule),
            None => (false, name),
        };
        let share = match rule {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => {
                let share = argument.map_or(Some(1.0), |it| it.parse().ok());
                share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
                    "OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1, the share of runs that are told"
                        .to_owned()
                })?
            }
            _ => {
                let text = "OTEL_TRACES_SAMPLER: lifeboat knows always_on, always_off and traceidratio, and each with \
                            parentbased_ before it";
                return Err(text.to_owned());
            }
        };
        Ok(Sampler { with_parent, share })
    }

    /// Is a run of this trace told?
    pub(super) fn takes(&self, trace: u128, parent: Option<Parent>) -> bool {
        match parent {
            Some(parent) if self.with_parent => parent.sampled,
            // Whoever has a part in the same trace decides alike: by its last 7 bytes, which are random.
            _ => {
                let drawn = trace as u64 & ((1 << 56) - 1);
                self.share >= 1.0 || (drawn as f64) < self.share * (1_u64 << 56) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn parents_are_read() {
        let parent = Parent::parse(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
        let expected = Parent {
            trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span: 0xf0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(parent, expected);
        assert!(!Parent::parse(&format!("00-{TRACE}-00f067aa0ba902b7-02")).unwrap().sampled);
        assert!(Parent::parse(&format!("01-{TRACE}-00f067aa0ba902b7-01-more")).is_some());
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]),
        ] {
            assert_eq!(Parent::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_is_told() {
        let parent = |sampled| Some(Parent { trace: 1, span: 1, sampled });
        for (name, argument, alone, of_told, of_untold) in [
            (None, None, [true, true], true, false),
            (Some("always_on"), None, [true, true], true, true),
            (Some("always_off"), None, [false, false], false, false),
            (Some("parentbased_always_off"), None, [false, false], true, false),
            (Some("traceidratio"), Some("0.5"), [true, false], true, true),
            (Some("parentbased_traceidratio"), Some("0.5"), [true, false], true, false),
            (Some("traceidratio"), None, [true, true], true, true),
        ] {
            let sampler = Sampler::parse(name, argument).unwrap();
            assert_eq!([1, u128::MAX].map(|trace| sampler.takes(trace, None)), alone, "{name:?}");
            let of = [true, false].map(|sampled| sampler.takes(1, parent(sampled)));
            assert_eq!(of, [of_told, of_untold], "{name:?}");
        }
        for (name, argument) in [("xray", None), ("traceidratio", Some("2")), ("traceidratio", Some("half"))]
        {
            assert!(Sampler::parse(Some(name), argument).is_err(), "{name}");
        }
    }
}
