//! What is alike in the answers of archives.

use bindery_core::{Date, Timestamp};
use serde::Deserialize;
use url::Url;

use super::Listed;
use crate::Error;
use crate::remote::host_of;

/// An id, which some write as a number and some as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    /// As text, if it is letters, digits and dashes, as all of these archives' ids are.
    pub(super) fn plain(&self, url: &Url) -> Result<String, Error> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        };
        let plain =
            !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if plain { Ok(text) } else { Err(odd(url, "an id of its is not one")) }
    }
}

/// A size, where what is written there can be one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Size {
    Number(u64),
    Other(serde::de::IgnoredAny),
}

impl Size {
    pub(super) const fn known(size: Option<&Self>) -> Option<u64> {
        match size {
            Some(Self::Number(size)) => Some(*size),
            Some(Self::Other(_)) | None => None,
        }
    }
}

pub(super) fn odd(url: &Url, reason: &'static str) -> Error {
    Error::BadAnswer { host: host_of(url), reason }
}

/// An address that an archive gave for a file.
pub(super) fn listed(asked: &Url, path: String, address: &str, size: Option<u64>) -> Result<Listed, Error> {
    let mut url = asked.join(address).map_err(|_| odd(asked, "the address of a file is not one"))?;
    // Some still write `http` where they mean themselves.
    if asked.scheme() == "https" && url.scheme() == "http" && url.host() == asked.host() && url.port().is_none() {
        url.set_scheme("https").map_err(|()| odd(asked, "the address of a file is not one"))?;
    }
    Ok(Listed { path, url, size })
}

/// The instant of `2019-09-25T16:09:17.006152Z`, or the beginning of the day of `2019-09-25`.
pub(super) fn moment(time: &str) -> Option<Timestamp> {
    let begins = || seconds(&format!("{}T00:00:00", time.get(..10)?));
    seconds(time).or_else(begins).map(Timestamp::from_seconds)
}

/// The seconds since 1970 of `2019-09-25T16:09:17.006152Z`, without a fraction and, as these archives mean it, in UTC.
pub(super) fn seconds(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let _: Date = time.get(..10)?.parse().ok()?;
    let (year, month, date) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March end with the day that is sometimes missing.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + date - 1;
    days.checked_sub(719_468).map(|days| days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{moment, seconds};
    use proptest::prelude::*;

    #[test]
    fn times_are_counted_in_seconds() {
        for (time, expected) in [
            ("1991-01-01T00:00:00Z", Some(662_688_000)),
            ("2000-02-29T12:00:00", Some(951_825_600)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2019-09-25T16:09:17.006152Z", Some(1_569_427_757)),
            ("2024-12-31T23:59:59+00:00", Some(1_735_689_599)),
            ("1969-12-31T23:59:59Z", None),
            ("2019-02-30T00:00:00Z", None),
            ("2019-01-01", None),
            ("2019-01-01T25:00:00", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
        assert_eq!(moment("2019-09-25T16:09:17").unwrap().as_seconds(), 1_569_427_757);
        assert_eq!(moment("2019-09-25").unwrap().as_seconds(), 1_569_369_600);
        assert_eq!(moment("September"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,30}|[0-9T:-]{19}") {
            let _ = (moment(&text), seconds(&text));
        }
    }
}
