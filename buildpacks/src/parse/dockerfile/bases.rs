//! The images a Dockerfile takes from, where a site says which.

use parse_dockerfile::Instruction;

use super::At;
use crate::PlanError;
use crate::error::shown;

/// Refuses an image that is not one of `bases`; all are, where there are none. `stages` are those before this instruction.
pub(super) fn check(
    at: &At<'_>,
    instruction: &Instruction<'_>,
    stages: &[String],
    bases: &[String],
) -> Result<(), PlanError> {
    let (image, offset) = match instruction {
        Instruction::From(from) => (from.image.value.as_ref(), from.image.span.start),
        Instruction::Copy(copy) => match copy.options.iter().find(|flag| flag.name.value == "from") {
            Some(flag) => (flag.value.as_ref().map_or("", |value| value.value.as_ref()), flag.flag_span().start),
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let name = image.to_lowercase();
    let stage = stages.contains(&name) || name.parse::<usize>().is_ok_and(|number| number < stages.len());
    if bases.is_empty() || stage || name == "scratch" || bases.iter().any(|base| allows(base, image)) {
        return Ok(());
    }
    if image.contains('$') {
        let message = "The image is named by a variable; this site builds only from images it knows.";
        return Err(at.refuse(offset, message, &format!("Write its name out. Allowed are: {}.", bases.join(", "))));
    }
    let message = format!("{} is not one of the images this site builds from.", shown(image));
    Err(at.refuse(offset, message, &format!("Allowed are: {}.", bases.join(", "))))
}

/// Whether `base` is `image` with any tag or digest; or, where it ends in a star, what `image` begins with.
fn allows(base: &str, image: &str) -> bool {
    if image.contains('$') {
        return false;
    }
    match base.strip_suffix('*') {
        Some(beginning) => image.starts_with(beginning),
        // A slash after the colon would make the name a registry's.
        None => image
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || (rest.starts_with([':', '@']) && !rest.contains('/'))),
    }
}
