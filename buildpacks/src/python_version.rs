//! Which Python a repository gets.
//!
//! Packs do not choose one. They state what their files ask for, and when all have spoken one Python is chosen for all wishes: the
//! base's own where it will do, else the newest this site can fetch that will, in an environment of its own for the kernel.

use pep440_rs::{Version, VersionSpecifiers};
use serde::{Deserialize, Serialize};

use bindery_core::Date;

use crate::error::PlanError;
use crate::packs::Draft;
use crate::parse::runtime::PythonVersion;
use crate::plan::{Action, PlanOptions, PythonChoice, PythonInstall, PythonTarget, Step};
use crate::python_release::{released, was_out};

/// The id of the step that gives the kernel a Python of its own. When it fails, it is not for anything a repository did.
pub(crate) const KERNEL_STEP: &str = "kernel-python";

/// Patch levels looked at when only a series is known, such as 3.11.
const PATCHES: u64 = 60;

/// What becomes of a repository that asks for a Python this site does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PythonFallback {
    /// It is refused, with what this site has.
    #[default]
    Refuse,
    /// It gets the nearest version there is, and the plan says so.
    Nearest,
}

/// What one line of one file asks for.
#[derive(Debug, Clone)]
pub(crate) struct PythonWant {
    /// The versions it allows.
    pub(crate) specifiers: VersionSpecifiers,
    /// The file.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The wish as people write it: `3.12` or `>=3.10,<3.13`. Printable and short.
    pub(crate) text: String,
}

impl PythonWant {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// `text` as a Python version of a list in the settings: `3.12` or `3.12.4`.
#[must_use]
pub fn is_python_version(text: &str) -> bool {
    PythonVersion::parse(text).is_some_and(|version| version.minor.is_some())
}

/// Chooses the Python, and points every installation of Python packages at it.
pub(crate) fn settle(draft: &mut Draft, base: Option<&str>, options: &PlanOptions) -> Result<(), PlanError> {
    let own = base.and_then(PythonVersion::parse).filter(|version| version.minor.is_some());
    let stated = base.unwrap_or_default().to_owned();
    let Some(own) = own else {
        if draft.as_of.is_some() && draft.steps.iter().any(installs) {
            draft.notes.push("Packages that the base image has stay as they are, whatever the day.".to_owned());
        }
        check_in_the_build(draft);
        return Ok(());
    };
    let dated = draft.as_of.clone().filter(|_| draft.steps.iter().any(installs));
    if draft.wants.is_empty() && dated.is_none() {
        draft.python = Some(PythonChoice { version: stated, source: "base image".to_owned() });
        return Ok(());
    }
    let mut places = draft.wants.iter().map(PythonWant::place).collect::<Vec<_>>().join(" and ");
    let site = Site::new(own, &stated, options);
    if let Some(chosen) = site.choose(&draft.wants, dated.as_ref().map(|day| day.date)) {
        if draft.wants.is_empty() {
            let fetched = chosen.target == PythonTarget::Kernel;
            places = dated.filter(|_| fetched).map_or_else(|| "base image".to_owned(), |day| day.source);
        }
        note_patch_levels(draft, &chosen);
        take(draft, chosen, options, places);
        return Ok(());
    }
    let nearest = (options.python_fallback == PythonFallback::Nearest).then(|| site.nearest(&draft.wants)).flatten();
    let Some(nearest) = nearest else { return Err(site.refusal(&draft.wants)) };
    draft.notes.insert(
        0,
        format!(
            "{places} asks for Python {}, which this site does not have. Python {}, the nearest there is, takes its place.",
            wishes(&draft.wants),
            nearest.text
        ),
    );
    take(draft, nearest, options, places);
    Ok(())
}

/// A Python to be had.
#[derive(Debug, Clone)]
struct Candidate {
    version: PythonVersion,
    text: String,
    target: PythonTarget,
}

impl Candidate {
    fn satisfies(&self, want: &PythonWant) -> bool {
        patches_allowed(self.version, std::slice::from_ref(want)).next().is_some()
    }
}

struct Site {
    /// The base's own first, then what can be fetched, newest first.
    candidates: Vec<Candidate>,
}

impl Site {
    fn new(own: PythonVersion, stated: &str, options: &PlanOptions) -> Self {
        let mut fetched: Vec<Candidate> = options
            .pythons
            .iter()
            .filter_map(|text| {
                let version = PythonVersion::parse(text).filter(|version| version.minor.is_some())?;
                Some(Candidate { version, text: text.clone(), target: PythonTarget::Kernel })
            })
            .collect();
        fetched.sort_by_key(|candidate| std::cmp::Reverse(order(candidate.version)));
        let base = Candidate { version: own, text: stated.to_owned(), target: PythonTarget::Base };
        Self { candidates: std::iter::once(base).chain(fetched).collect() }
    }

    /// The newest that every wish allows. For a day, one that had come out by then comes first.
    fn choose(&self, wants: &[PythonWant], day: Option<Date>) -> Option<Candidate> {
        let of_day = |one: &&Candidate| {
            day.is_some_and(|day| was_out(one.version, day)) && patches_allowed(one.version, wants).next().is_some()
        };
        self.candidates.iter().find(of_day).cloned().or_else(|| self.newest(wants))
    }

    fn newest(&self, wants: &[PythonWant]) -> Option<Candidate> {
        self.candidates.iter().find(|one| patches_allowed(one.version, wants).next().is_some()).cloned()
    }

    /// The one whose series is closest to one that every wish allows, of the same major version; the newer of two.
    fn nearest(&self, wants: &[PythonWant]) -> Option<Candidate> {
        let allowed: Vec<PythonVersion> = every_series().filter(|one| series_allowed(*one, wants)).collect();
        let distance = |candidate: &Candidate| {
            let minor = candidate.version.minor.unwrap_or_default();
            let same = allowed.iter().filter(|one| one.major == candidate.version.major);
            same.map(|one| one.minor.unwrap_or_default().abs_diff(minor)).min()
        };
        let near = self.candidates.iter().filter_map(|one| Some((distance(one)?, one)));
        near.min_by_key(|(distance, one)| (*distance, std::cmp::Reverse(order(one.version))))
            .map(|(_, one)| one.clone())
    }

    /// What is here, for people.
    fn available(&self) -> String {
        let mut names = self.candidates.iter().map(|candidate| candidate.text.as_str());
        let own = names.next().unwrap_or_default();
        let fetched: Vec<&str> = names.collect();
        if fetched.is_empty() {
            format!("this site has Python {own}")
        } else {
            format!("this site has Python {own} and can fetch {}", fetched.join(", "))
        }
    }

    /// Why there is none: a wish that nothing meets, two that do not go together, or one that this site does not meet.
    fn refusal(&self, wants: &[PythonWant]) -> PlanError {
        let code = "python-not-available";
        let message = |one: &PythonWant| format!("The repository asks for Python {}; {}.", one.text, self.available());
        let (exist, never): (Vec<&PythonWant>, Vec<&PythonWant>) = wants
            .iter()
            .filter(|one| !self.candidates.iter().any(|candidate| candidate.satisfies(one)))
            .partition(|one| {
                every_series().any(|series| can_be_had(series) && series_allowed(series, std::slice::from_ref(one)))
            });
        if let Some(one) = never.first() {
            let mut hint = self.advice(one);
            hint.replace_range(..1, &hint.get(..1).unwrap_or_default().to_uppercase());
            return PlanError::line(&one.file, one.line, message(one), format!("{hint}.")).coded(code);
        }
        // Whatever a site could fetch, these two would not go together.
        let apart = pairs(wants).find(|pair| !every_series().any(|series| series_allowed(series, pair)));
        if let Some(pair) = apart {
            return conflict(&pair, "no Python is both");
        }
        if let Some(one) = exist.first() {
            let hint = format!(
                "That Python exists, but this site cannot fetch it: its operator can add it to build.pythons. Until then, {}.",
                self.advice(one)
            );
            let (file, line) = (one.file.clone(), Some(one.line));
            return PlanError::Site { code, file, line, message: message(one), hint };
        }
        // Each alone could be met here; it may take more than two to rule out every one.
        let here = pairs(wants).find(|pair| self.newest(pair).is_none());
        match here.or_else(|| Some([wants.first()?.clone(), wants.last()?.clone()])) {
            Some(pair) => conflict(&pair, &format!("no Python of this site is both: {}", self.available())),
            None => PlanError::Render("a Python was refused without a reason".to_owned()),
        }
    }

    fn advice(&self, want: &PythonWant) -> String {
        let series = self.candidates.first().map(|own| own.version.series()).unwrap_or_default();
        if want.file.ends_with("runtime.txt") {
            format!("write python-{series} or remove the file")
        } else {
            format!("let {} allow Python {series}", want.place())
        }
    }
}

/// Every two wishes, the earlier one first.
fn pairs(wants: &[PythonWant]) -> impl Iterator<Item = [PythonWant; 2]> {
    let before = |index: usize| wants.iter().take(index);
    wants.iter().enumerate().flat_map(move |(index, second)| before(index).map(|first| [first.clone(), second.clone()]))
}

/// Two wishes of which only one can be met.
fn conflict([first, second]: &[PythonWant; 2], reason: &str) -> PlanError {
    let (one, other) = (first.place(), second.place());
    let message = format!("{one} asks for Python {} and {other} for Python {}; {reason}.", first.text, second.text);
    PlanError::line(&second.file, second.line, message, "Make the two files ask for the same Python.")
        .coded("python-not-available")
}

/// Points everything at the chosen Python.
fn take(draft: &mut Draft, chosen: Candidate, options: &PlanOptions, source: String) {
    let own = chosen.target == PythonTarget::Base;
    let newer_than_day = draft.as_of.as_ref().is_some_and(|day| !was_out(chosen.version, day.date));
    // Packages of another day stay apart from the server's, which are this day's and must go together.
    let apart = draft.as_of.is_some() && draft.steps.iter().any(installs);
    if let Some(day) = draft.as_of.as_ref().filter(|_| newer_than_day && apart) {
        let came = released(chosen.version).map_or_else(String::new, |out| format!(" came out on {out},"));
        draft.notes.push(format!(
            "Python {}{came} after {}: packages of that day may have no ready-made files for it, and those with compiled parts may \
             fail to build.",
            chosen.text, day.date
        ));
    }
    if !own || apart {
        for step in &mut draft.steps {
            if let Action::InstallPython { target, .. } = &mut step.action {
                *target = PythonTarget::Kernel;
            }
        }
        let name = match own {
            true => "give the notebook's kernel an environment of its own".to_owned(),
            false => format!("give the notebook's kernel Python {}", chosen.text),
        };
        let first = draft.wants.first();
        draft.steps.push(Step {
            id: KERNEL_STEP.to_owned(),
            name,
            run: format!("uv venv --python {}", chosen.text),
            action: Action::CreateKernelEnvironment {
                version: chosen.text.clone(),
                own,
                newer_than_day,
                mirror: options.python_mirror.clone().filter(|_| !own),
            },
            needs_content: false,
            file: first.map(|want| want.file.clone()),
            line: first.map(|want| want.line),
        });
        draft.notes.push(format!(
            "Notebooks run on Python {}, in an environment of their own; the server keeps the base image's.",
            chosen.text
        ));
    }
    draft.python = Some(PythonChoice { version: chosen.text, source });
}

/// Whether a step takes packages from an index as a day has them; what a lock file names is the same on every day.
fn installs(step: &Step) -> bool {
    matches!(step.action, Action::InstallPython { how: PythonInstall::Requirements | PythonInstall::Project, .. })
}

/// A wish for some patch levels only, where nothing says which of them there is.
fn note_patch_levels(draft: &mut Draft, chosen: &Candidate) {
    if chosen.version.patch.is_some() {
        return;
    }
    let unsure: Vec<String> = draft
        .wants
        .iter()
        .filter(|want| patches_allowed(chosen.version, std::slice::from_ref(want)).count() as u64 != PATCHES)
        .map(|want| format!("{} asks for Python {}", want.place(), want.text))
        .collect();
    for wish in unsure {
        draft
            .notes
            .push(format!("{wish}; which patch release of {} there is, is not known before it runs.", chosen.text));
    }
}

/// For a base that does not say which Python it has: the build asks it.
fn check_in_the_build(draft: &mut Draft) {
    let Some(first) = draft.wants.first() else { return };
    let (file, line) = (first.file.clone(), first.line);
    let asked_by = draft.wants.iter().map(PythonWant::place).collect::<Vec<_>>().join(" and ");
    let allowed: Vec<String> =
        every_series().filter(|one| series_allowed(*one, &draft.wants)).map(PythonVersion::series).collect();
    let text = wishes(&draft.wants);
    draft.python = Some(PythonChoice { version: text.clone(), source: asked_by.clone() });
    draft.steps.push(Step {
        id: "python-version".to_owned(),
        name: format!("check the Python version ({file})"),
        run: format!("python --version, expecting {text}"),
        action: Action::CheckPython { allowed, asked_by },
        needs_content: false,
        file: Some(file),
        line: Some(line),
    });
}

fn wishes(wants: &[PythonWant]) -> String {
    wants.iter().map(|want| want.text.as_str()).collect::<Vec<_>>().join(" and ")
}

/// The patch levels of a version that every wish allows: its own, or any of its series when it has none.
fn patches_allowed(version: PythonVersion, wants: &[PythonWant]) -> impl Iterator<Item = u64> {
    let range = version.patch.map_or(0..PATCHES, |patch| u64::from(patch)..u64::from(patch) + 1);
    range.filter(move |patch| {
        let release = [u64::from(version.major), u64::from(version.minor.unwrap_or_default()), *patch];
        let version = Version::new(release);
        wants.iter().all(|want| want.specifiers.contains(&version))
    })
}

fn series_allowed(series: PythonVersion, wants: &[PythonWant]) -> bool {
    patches_allowed(series, wants).next().is_some()
}

/// Every series anyone might name.
fn every_series() -> impl Iterator<Item = PythonVersion> {
    let of = |major: u32, minors: std::ops::RangeInclusive<u32>| {
        minors.map(move |minor| PythonVersion { major, minor: Some(minor), patch: None })
    };
    of(2, 0..=7).chain(of(3, 0..=30)).chain(of(4, 0..=9))
}

/// Whether interpreters of a series are published in a form that a site can fetch.
fn can_be_had(series: PythonVersion) -> bool {
    series.major == 3 && series.minor.is_some_and(|minor| (7..=15).contains(&minor))
}

fn order(version: PythonVersion) -> (u32, u32, u32) {
    // A series without a patch level stands for its newest.
    (version.major, version.minor.unwrap_or_default(), version.patch.unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
