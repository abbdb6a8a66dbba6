//! BuildKit's names for what it does, as a person would put them.

/// Longer names are cut, in characters. Long enough to find the instruction in the Dockerfile by.
const NAME: usize = 1000;

/// The step's name as BuildKit has it, its place in the Dockerfile included, so that whoever wrote the Dockerfile finds the step
/// again; `None` for what BuildKit does for itself, which nobody wrote and nobody needs to see.
pub(crate) fn step_name(vertex: &str) -> Option<String> {
    const INTERNAL: [&str; 9] = [
        "[internal]",
        "[auth]",
        "[context",
        "copy /context",
        "http://buildkit-session",
        "resolve image config",
        "docker-image://",
        "importing cache manifest",
        "exporting cache",
    ];
    if INTERNAL.iter().any(|prefix| vertex.starts_with(prefix)) {
        return None;
    }
    if vertex.starts_with("exporting to") {
        return Some("save image".to_owned());
    }
    let instruction = without_position(vertex);
    let position = vertex.strip_suffix(instruction).unwrap_or_default();
    let mut words = instruction.split_whitespace();
    let name = match (words.next(), words.next()) {
        (Some("FROM"), Some(image)) => {
            let rest: Vec<&str> = words.collect();
            format!("{position}{}", join(&["FROM", &short_image(image)], &rest))
        }
        _ => vertex.to_owned(),
    };
    Some(name.chars().take(NAME).collect())
}

/// The step's instruction for a sentence about it: without its place, and a `RUN` without its flags.
pub(crate) fn command(vertex: &str) -> String {
    let words: Vec<&str> = without_position(vertex).split_whitespace().collect();
    match words.as_slice() {
        ["FROM", image, rest @ ..] => join(&["FROM", &short_image(image)], rest),
        ["RUN", rest @ ..] => {
            let flags = rest.iter().take_while(|word| word.starts_with("--")).count();
            join(&["RUN"], rest.get(flags..).unwrap_or_default())
        }
        words => join(&[], words),
    }
}

/// The image a vertex named `FROM …` or `load metadata for …` is about.
pub(crate) fn image_of(vertex: &str) -> Option<String> {
    let mut words = without_position(vertex).split_whitespace();
    let image = match words.next()? {
        "FROM" => words.next()?,
        "[internal]" | "load" => vertex.split_once("metadata for ")?.1.split_whitespace().next()?,
        _ => return None,
    };
    Some(short_image(image))
}

/// `[2/5] RUN x` and `[build 2/5] RUN x` without the bracket.
fn without_position(vertex: &str) -> &str {
    let Some((inside, rest)) = vertex.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { return vertex };
    let position = inside.rsplit(' ').next().unwrap_or(inside);
    let is_position = position
        .split_once('/')
        .is_some_and(|(at, of)| [at, of].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())));
    if is_position { rest } else { vertex }
}

/// Without the registry and path that everyone means, and without the digest that nobody reads.
fn short_image(image: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name).to_owned()
}

fn join(first: &[&str], rest: &[&str]) -> String {
    first.iter().chain(rest).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{command, image_of, step_name};

    #[test]
    fn what_buildkit_does_for_itself_is_no_step() {
        for vertex in [
            "[internal] load remote build context",
            "[internal] load metadata for docker.io/library/python:3",
            "[internal] load .dockerignore",
            "copy /context /",
        ] {
            assert_eq!(step_name(vertex), None, "{vertex}");
        }
    }

    #[test]
    fn names_keep_their_place_and_lose_what_says_nothing() {
        for (vertex, name) in [
            ("[2/5] RUN --mount=type=cache,target=/c x", "[2/5] RUN --mount=type=cache,target=/c x"),
            ("[1/2] FROM docker.io/library/python:3.11@sha256:abc", "[1/2] FROM python:3.11"),
            ("[linux/amd64 a 1/2] FROM docker.io/bindery/stack:dev", "[linux/amd64 a 1/2] FROM bindery/stack:dev"),
            ("RUN [ -f x ] && echo", "RUN [ -f x ] && echo"),
            ("exporting to image", "save image"),
        ] {
            assert_eq!(step_name(vertex).as_deref(), Some(name), "{vertex}");
        }
    }

    #[test]
    fn commands_are_the_instruction_alone() {
        for (vertex, expected) in [
            ("[2/5] RUN pip install x", "RUN pip install x"),
            ("[stage-0 12/15] COPY a   b", "COPY a b"),
            ("[1/2] FROM docker.io/library/python:3.11@sha256:abc", "FROM python:3.11"),
            ("[3/4] RUN --mount=type=cache,target=/c --network=none uv pip install", "RUN uv pip install"),
            ("RUN [ -f x ] && echo", "RUN [ -f x ] && echo"),
        ] {
            assert_eq!(command(vertex), expected, "{vertex}");
        }
    }

    #[test]
    fn the_image_of_a_vertex_is_found() {
        let internal = "[internal] load metadata for docker.io/library/nosuch:1";
        assert_eq!(image_of(internal).as_deref(), Some("nosuch:1"));
        assert_eq!(image_of("[1/2] FROM quay.io/a/b:c@sha256:0").as_deref(), Some("quay.io/a/b:c"));
        assert_eq!(image_of("[2/2] RUN x"), None);
    }
}
