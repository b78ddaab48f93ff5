//! Five fields, as crontab and CronJob have them.

use std::{collections::BTreeSet, fmt, str::FromStr};
use thiserror::Error;

/// When something is due, in local time: minute, hour, day of the month, month, day of the week; or `@daily` and the like.
///
/// Day of the month and day of the week are both enough where both are given, as in crontab(5).
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    /// One, or two of which either counts.
    pub(super) plans: Vec<cron::Schedule>,
    /// One minute of one hour: it is due once a day, whatever the clock does.
    pub(super) once_a_day: bool,
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadCron {
    /// Another number of fields.
    #[error(
        "{0} fields, and five are needed: minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, \
         @monthly, @yearly"
    )]
    Count(usize),
    /// An unknown word.
    #[error(
        "`{0}` is unknown: there are @hourly, @daily (@midnight), @weekly, @monthly and @yearly (@annually)"
    )]
    Macro(String),
    /// A field.
    #[error("{field} `{part}`: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// The part of its list.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is never due.
    #[error("it is never due: there is no such day")]
    Never,
}

/// What a field can hold.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 7 is Sunday too.
    Field {
        name: "day of the week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// The values of a field, and whether it leaves all of them open.
struct Values {
    values: BTreeSet<u8>,
    all: bool,
}

impl Field {
    fn parse(&self, text: &str) -> Result<Values, BadCron> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            values.extend(self.part(part)?);
        }
        Ok(Values { values, all: text == "*" || text == "?" })
    }

    fn part(&self, part: &str) -> Result<Vec<u8>, BadCron> {
        let wrong = |why: String| BadCron::Field { field: self.name, part: part.to_owned(), why };
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => match step.parse::<u8>() {
                Ok(step @ 1..) => (range, Some(step)),
                _ => return Err(wrong(format!("`{step}` is no step: a number from 1 on"))),
            },
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (self.least, self.last()),
            Some((from, to)) => (self.value(from).map_err(wrong)?, self.value(to).map_err(wrong)?),
            None => {
                let one = self.value(range).map_err(wrong)?;
                (one, if step.is_some() { self.last() } else { one })
            }
        };
        if from > to {
            return Err(wrong(format!(
                "the range ends before it begins: write `{from}-{},{}-{to}`",
                self.last(),
                self.least
            )));
        }
        Ok((from..=to).step_by(step.unwrap_or(1).into()).collect())
    }

    /// The largest value that is not another name of the least one.
    fn last(&self) -> u8 {
        self.most.min(if self.names.len() == 7 { 6 } else { self.most })
    }

    fn value(&self, text: &str) -> Result<u8, String> {
        let lower = text.to_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.least + u8::try_from(at).unwrap_or_default());
        }
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        match text.parse::<u8>() {
            Ok(value) if digits && (self.least..=self.most).contains(&value) => Ok(value),
            _ => {
                let names = self.names.first().zip(self.names.last());
                let names = names.map(|(first, last)| format!(", or {first} to {last}")).unwrap_or_default();
                Err(format!("`{text}` is none of {} to {}{names}", self.least, self.most))
            }
        }
    }
}

impl FromStr for Cron {
    type Err = BadCron;

    fn from_str(text: &str) -> Result<Self, BadCron> {
        let text = text.trim();
        let expanded = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            word if word.starts_with('@') => return Err(BadCron::Macro(word.to_owned())),
            fields => fields,
        };
        let words: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(BadCron::Count(words.len()));
        };
        let [of_minute, of_hour, of_day, of_month, of_weekday] = &FIELDS;
        let (minutes, hours) = (of_minute.parse(minute)?, of_hour.parse(hour)?);
        let (days, months) = (of_day.parse(day)?, of_month.parse(month)?);
        let mut weekdays = of_weekday.parse(weekday)?;
        if weekdays.values.remove(&7) {
            weekdays.values.insert(0);
        }
        let list = |values: &Values| values.values.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        // The library counts them from 1.
        let of_week = weekdays.values.iter().map(|day| (day + 1).to_string()).collect::<Vec<_>>().join(",");
        let (of_month, any) = (list(&days), "*".to_owned());
        let choices = match (days.all, weekdays.all) {
            (false, false) => vec![(of_month, any.clone()), (any, of_week)],
            _ => vec![(of_month, of_week)],
        };
        let plans = choices.into_iter().map(|(day, weekday)| {
            let seven = format!("0 {} {} {day} {} {weekday} *", list(&minutes), list(&hours), list(&months));
            cron::Schedule::from_str(&seven).map_err(|_| BadCron::Never)
        });
        let cron = Cron {
            text: text.to_owned(),
            plans: plans.collect::<Result<_, _>>()?,
            once_a_day: minutes.values.len() == 1 && hours.values.len() == 1,
        };
        match cron.comes() {
            true => Ok(cron),
            false => Err(BadCron::Never),
        }
    }
}

/// As it was written.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let why = |text: &str| text.parse::<Cron>().unwrap_err().to_string();
        assert!(why("* * * *").starts_with("4 fields, and five are needed"));
        assert!(why("0 0 0 * * *").starts_with("6 fields"));
        assert!(why("").starts_with("0 fields"));
        assert!(why("@often").contains("@hourly"));
        assert_eq!(why("60 * * * *"), "minute `60`: `60` is none of 0 to 59");
        assert_eq!(why("0 0 * * mond"), "day of the week `mond`: `mond` is none of 0 to 7, or sun to sat");
        assert_eq!(why("*/0 * * * *"), "minute `*/0`: `0` is no step: a number from 1 on");
        assert_eq!(
            why("0 0 * * fri-mon"),
            "day of the week `fri-mon`: the range ends before it begins: write `5-6,0-1`"
        );
        assert_eq!(why("0 0 30 2 *"), "it is never due: there is no such day");
        for odd in ["0 0 +1 * *", "0 0 1- * *", "0 0 -1 * *", "0 0 1,,2 * *", "0 0 é * *", "256 0 * * *"] {
            assert!(odd.parse::<Cron>().is_err(), "{odd}");
        }
    }

    #[test]
    fn names_steps_and_sunday_twice() {
        for good in
            ["@Daily".to_lowercase().as_str(), "0 0 29 2 *", "5/20 8-18/2 ? JAN-mar MON,7", "0 0 1 * fri"]
        {
            let cron = good.parse::<Cron>().unwrap();
            assert_eq!(cron.to_string(), good);
        }
    }
}
