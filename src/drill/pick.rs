//! Which recovery point is tried. Pure: the points, the rule and a clock in, a choice out.

use crate::point::{Pick, PointId};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;
use thiserror::Error;

/// By which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The newest one.
    Latest,
    /// The newest one whose last verification found nothing wrong.
    NewestVerified,
    /// One of those that are no older than the window, drawn with the seed.
    Random {
        /// How far back; everything that there is where nothing is said.
        window: Option<Duration>,
        /// Equal seeds draw equally from equal points.
        seed: u64,
    },
    /// This one, by its id or the beginning of it.
    Id(String),
}

/// A recovery point that could be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its id.
    pub id: PointId,
    /// When its run began.
    pub begun: Option<Timestamp>,
    /// It holds everything that the drill restores, or that cannot be known since its manifest cannot be read: such a point
    /// is picked, and the drill fails over it.
    pub fits: bool,
    /// Its last verification found nothing wrong.
    pub verified: bool,
}

/// Why nothing was picked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoChoice {
    /// No point fits the rule.
    #[error("{0}")]
    Nothing(String),
    /// Several do, where one was named.
    #[error("`{wanted}` is the beginning of several recovery points: {candidates}")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Their ids.
        candidates: String,
    },
}

/// Picks a recovery point.
///
/// # Errors
/// When no point fits, and why none does.
pub fn choose(rule: &Rule, points: &[Choice], now: Timestamp) -> Result<(PointId, Pick), NoChoice> {
    let mut fitting: Vec<&Choice> = points.iter().filter(|point| point.fits).collect();
    // Of those of one second the ids do not tell which is older.
    fitting.sort_by(|a, b| (a.begun, &a.id).cmp(&(b.begun, &b.id)));
    let nothing = |why: &str| NoChoice::Nothing(format!("{why}: `lifeboat list` shows what there is"));
    let none_fits = || match points.len() {
        0 => nothing("there is no recovery point"),
        n => nothing(&format!("none of the {n} recovery points holds what this drill restores")),
    };
    let pick = |rule: &str, among: usize| Pick {
        rule: rule.to_owned(),
        among: among as u64,
        window_ms: None,
        seed: None,
    };
    match rule {
        Rule::Latest => {
            let newest = fitting.last().ok_or_else(none_fits)?;
            Ok((newest.id.clone(), pick("latest", fitting.len())))
        }
        Rule::NewestVerified => {
            let verified: Vec<&&Choice> = fitting.iter().filter(|point| point.verified).collect();
            let newest = verified.last().ok_or_else(|| match fitting.len() {
                0 => none_fits(),
                n => nothing(&format!(
                    "of the {n} recovery points that fit none was verified without a finding (`lifeboat verify --deep`)"
                )),
            })?;
            Ok((newest.id.clone(), pick("newest-verified", verified.len())))
        }
        Rule::Random { window, seed } => {
            let oldest = window.and_then(|window| now.checked_sub(window).ok());
            let recent: Vec<&&Choice> = fitting
                .iter()
                .filter(|point| oldest.is_none_or(|oldest| point.begun.is_none_or(|begun| begun >= oldest)))
                .collect();
            if recent.is_empty() {
                return Err(match fitting.is_empty() {
                    true => none_fits(),
                    false => nothing("no recovery point that fits is so young as the window wants it"),
                });
            }
            let drawn = StdRng::seed_from_u64(*seed).random_range(0..recent.len());
            let id = recent.get(drawn).map(|point| point.id.clone()).ok_or_else(none_fits)?;
            let window_ms = window.map(|window| window.as_millis().try_into().unwrap_or(u64::MAX));
            Ok((id, Pick { window_ms, seed: Some(*seed), ..pick("random", recent.len()) }))
        }
        Rule::Id(wanted) => {
            let named: Vec<&Choice> =
                points.iter().filter(|point| point.id.as_str().starts_with(wanted.as_str())).collect();
            match named.as_slice() {
                [] => Err(nothing(&format!("no recovery point begins with `{wanted}`"))),
                [only] if !only.fits => {
                    Err(nothing(&format!("{} does not hold what this drill restores", only.id)))
                }
                [only] => Ok((only.id.clone(), pick(wanted, 1))),
                several => {
                    let candidates: Vec<&str> = several.iter().map(|point| point.id.as_str()).collect();
                    Err(NoChoice::Ambiguous { wanted: wanted.clone(), candidates: candidates.join(", ") })
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points() -> Vec<Choice> {
        (1..=9)
            .map(|day| {
                let begun: Timestamp = format!("2026-11-0{day}T08:00:00Z").parse().unwrap();
                Choice { id: PointId::new(begun, day), begun: Some(begun), fits: day != 9, verified: day < 6 }
            })
            .collect()
    }

    fn now() -> Timestamp {
        "2026-11-10T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn each_rule_picks_what_it_says() {
        let picked = |rule| {
            choose(&rule, &points(), now()).map(|(id, pick)| (id.as_str()[..8].to_owned(), pick.among))
        };
        assert_eq!(picked(Rule::Latest), Ok(("20261108".into(), 8)));
        assert_eq!(picked(Rule::NewestVerified), Ok(("20261105".into(), 5)));
        assert_eq!(picked(Rule::Id("20261103".into())), Ok(("20261103".into(), 1)));
        assert!(picked(Rule::Id("20261109".into())).unwrap_err().to_string().contains("does not hold"));
        assert!(matches!(picked(Rule::Id("2026".into())), Err(NoChoice::Ambiguous { .. })));
        let day = |days: u64| Some(Duration::from_secs(days * 86400));
        assert_eq!(picked(Rule::Random { window: day(2), seed: 1 }), Ok(("20261108".into(), 1)));
        assert!(picked(Rule::Random { window: day(1), seed: 1 }).is_err());
        assert!(
            choose(&Rule::Latest, &[], now()).unwrap_err().to_string().contains("there is no recovery point")
        );
        let unverified: Vec<Choice> =
            points().into_iter().map(|it| Choice { verified: false, ..it }).collect();
        assert!(choose(&Rule::NewestVerified, &unverified, now()).is_err());
    }

    proptest! {
        #[test]
        fn a_draw_can_be_repeated_and_keeps_to_its_window(seed: u64, days in 2u64..20) {
            let rule = Rule::Random { window: Some(Duration::from_secs(days * 86400)), seed };
            let mut shuffled = points();
            shuffled.rotate_left((seed % 9) as usize);
            let (id, pick) = choose(&rule, &points(), now()).unwrap();
            prop_assert_eq!(&choose(&rule, &shuffled, now()).unwrap().0, &id);
            prop_assert_eq!(pick.seed, Some(seed));
            let age = now().duration_since(id.time().unwrap());
            prop_assert!(age.as_secs() as u64 <= days * 86400);
        }
    }
}
