//! When each Python came out, and which of those to be had belongs to a day.

use bindery_core::Date;

use crate::parse::runtime::PythonVersion;

/// The first release of each series of CPython: minor version of Python 3, year, month, day.
const RELEASES: [(u32, u16, u8, u8); 12] = [
    (3, 2012, 9, 29),
    (4, 2014, 3, 16),
    (5, 2015, 9, 13),
    (6, 2016, 12, 23),
    (7, 2018, 6, 27),
    (8, 2019, 10, 14),
    (9, 2020, 10, 5),
    (10, 2021, 10, 4),
    (11, 2022, 10, 24),
    (12, 2023, 10, 2),
    (13, 2024, 10, 7),
    (14, 2025, 10, 7),
];

/// The day on which the first release of a version's series came out, as far as is known.
pub(crate) fn released(version: PythonVersion) -> Option<Date> {
    let minor = version.minor.filter(|_| version.major == 3)?;
    let (_, year, month, day) = RELEASES.iter().find(|(known, ..)| *known == minor)?;
    Date::new(*year, *month, *day)
}

/// Whether packages of that day were made with that Python in mind. One that nobody here knows is taken for newer.
pub(crate) fn was_out(version: PythonVersion, day: Date) -> bool {
    released(version).is_some_and(|out| out <= day)
}

/// The day whose tools build packages for a Python that came out after the packages did: old ones do not know it, and today's no longer
/// know old packages.
pub(crate) fn tools_day(version: PythonVersion) -> Option<Date> {
    released(version).and_then(Date::a_year_later)
}

#[cfg(test)]
mod tests {
    use super::{RELEASES, released, tools_day, was_out};
    use crate::parse::runtime::PythonVersion;

    #[test]
    fn releases_are_days_in_the_order_of_their_versions() {
        let all: Vec<_> = RELEASES
            .iter()
            .map(|(minor, ..)| released(PythonVersion { major: 3, minor: Some(*minor), patch: None }).unwrap())
            .collect();
        assert!(all.is_sorted());
        assert_eq!(released(PythonVersion::parse("2.7").unwrap()), None);
        assert_eq!(released(PythonVersion::parse("3").unwrap()), None);
    }

    #[test]
    fn a_python_belongs_to_the_days_after_its_release() {
        let version = |text| PythonVersion::parse(text).unwrap();
        assert!(was_out(version("3.11.2"), "2022-10-24".parse().unwrap()));
        assert!(!was_out(version("3.11"), "2022-10-23".parse().unwrap()));
        assert!(!was_out(version("3.99"), "2999-01-01".parse().unwrap()));
        assert_eq!(tools_day(version("3.11")).unwrap().to_string(), "2023-10-24");
    }
}
