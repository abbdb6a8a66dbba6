//! Days of the calendar, and the day whose packages an environment is made of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The years a date may have: before the first, no package index kept anything; after the last, it is a slip of the pen.
const YEARS: std::ops::RangeInclusive<u16> = 1991..=9999;

/// A day of the Gregorian calendar, in UTC. Written `2021-03-01`, and in no other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a string is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not a date of the calendar, written like 2021-03-01")]
pub struct DateError;

impl Date {
    /// That day, if the calendar has it and it is of a year from 1991 to 9999.
    #[must_use]
    pub const fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let known = year >= *YEARS.start() && year <= *YEARS.end() && day >= 1 && day <= days_of(year, month);
        if known { Some(Self { year, month, day }) } else { None }
    }

    /// The day of an instant; `None` outside the years a date may have.
    #[must_use]
    pub fn of(instant: Timestamp) -> Option<Self> {
        let mut left = u32::try_from(instant.as_seconds() / 86_400).ok()?;
        for year in 1970..=*YEARS.end() {
            for month in 1..=12 {
                let days = u32::from(days_of(year, month));
                if left < days {
                    return Self::new(year, month, u8::try_from(left).ok()? + 1);
                }
                left -= days;
            }
        }
        None
    }

    /// The same day of the next year; `None` for 29 February, and at the end of the years.
    #[must_use]
    pub fn a_year_later(self) -> Option<Self> {
        Self::new(self.year + 1, self.month, self.day)
    }

    /// The last second of the day, as RFC 3339 writes it: what was there on that day was there by then.
    #[must_use]
    pub fn end(self) -> String {
        format!("{self}T23:59:59Z")
    }
}

const fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let mut parts = text.split('-');
        let mut number = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()))?;
            part.parse::<u16>().ok()
        };
        let (year, month, day) = (number(4), number(2), number(2));
        let (Some(year), Some(month), Some(day), None) = (year, month, day, parts.next()) else {
            return Err(DateError);
        };
        let small = |number: u16| u8::try_from(number).map_err(|_| DateError);
        Self::new(year, small(month)?, small(day)?).ok_or(DateError)
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The day whose packages are asked for, as a person names it: a date, or `commit` for the day of the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AsOf {
    /// This day.
    Day(Date),
    /// The day on which the commit was made.
    Commit,
}

/// Why a string names no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date like 2021-03-01, or `commit` for the date of the commit")]
pub struct AsOfError;

impl AsOf {
    /// The day meant, where the commit's is `commit`; `None` when that is needed and not known.
    #[must_use]
    pub fn date(self, commit: Option<Date>) -> Option<Date> {
        match self {
            Self::Day(date) => Some(date),
            Self::Commit => commit,
        }
    }
}

impl FromStr for AsOf {
    type Err = AsOfError;

    fn from_str(text: &str) -> Result<Self, AsOfError> {
        if text == "commit" {
            return Ok(Self::Commit);
        }
        text.parse().map(Self::Day).map_err(|_| AsOfError)
    }
}

impl TryFrom<String> for AsOf {
    type Error = AsOfError;

    fn try_from(text: String) -> Result<Self, AsOfError> {
        text.parse()
    }
}

impl From<AsOf> for String {
    fn from(as_of: AsOf) -> Self {
        as_of.to_string()
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Commit => f.write_str("commit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AsOf, Date};
    use crate::Timestamp;

    #[test]
    fn days_of_the_calendar_are_read_and_others_refused() {
        for text in ["1991-02-20", "2024-02-29", "2000-02-29", "2021-12-31"] {
            assert_eq!(text.parse::<Date>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2021-13-01",
            "2021-00-01",
            "2021-01-00",
            "2021-04-31",
            "1990-12-31",
            "21-01-01",
            "2021-1-01",
            "2021-01-1",
            "2021-01-01-",
            "2021-01-01 ",
            "+021-01-01",
            "２021-01-01",
            "2021/01/01",
            "20210101",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn instants_fall_on_their_day() {
        for (seconds, date) in [
            (1_709_164_800, "2024-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (946_684_799, "1999-12-31"),
        ] {
            assert_eq!(Date::of(Timestamp::from_seconds(seconds)).unwrap().to_string(), date);
        }
        for seconds in [0, 1, 600_000_000, u64::MAX] {
            assert_eq!(Date::of(Timestamp::from_seconds(seconds)), None);
        }
    }

    #[test]
    fn a_day_is_asked_for_by_date_or_by_commit() {
        let day: Date = "2021-03-01".parse().unwrap();
        assert_eq!("2021-03-01".parse(), Ok(AsOf::Day(day)));
        assert_eq!("commit".parse(), Ok(AsOf::Commit));
        assert!("yesterday".parse::<AsOf>().is_err());
        assert_eq!((AsOf::Commit.date(Some(day)), AsOf::Commit.date(None)), (Some(day), None));
        assert_eq!(AsOf::Day(day).date(None), Some(day));
    }

    proptest! {
        #[test]
        fn dates_order_as_their_text_does_and_survive_it(one in 665_000_000u64..9_000_000_000, other in 665_000_000u64..9_000_000_000) {
            let [one, other] = [one, other].map(|seconds| Date::of(Timestamp::from_seconds(seconds)).unwrap());
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
            prop_assert_eq!(one.to_string().parse::<Date>(), Ok(one));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,14}|[-0-9]{8,12}") {
            let _ = text.parse::<AsOf>();
        }
    }
}
