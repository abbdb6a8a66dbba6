//! What it costs to plan a repository: detection alone, on a tree in memory, with its environment files among many others.
//!
//! `cargo bench -p bindery-buildpacks --bench detection [-- --rounds 200]`. Each round plans the same tree anew; every plan of a
//! tree must be the same. The target is 5 ms for 1,000 files.
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_types, reason = "there is no runtime here whose time a test could pause")]

use std::time::{Duration, Instant};

use bindery_buildpacks::{PlanOptions, assumed_base, plan, render_environment, render_session};
use bindery_core::{BaseImage, MemoryTree};

/// A repository in which every language and most kinds of file take part.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("requirements.txt", "numpy==2.1.0\npandas>=2\n-r requirements-more.txt\n"),
    ("requirements-more.txt", "scipy\nmatplotlib ; python_version > \"3.8\"\n"),
    ("runtime.txt", "python-3.11\n"),
    ("apt.txt", "graphviz\nlibhdf5-dev\n"),
    ("install.R", "install.packages(c(\"digest\", \"jsonlite\"))\n"),
    ("Project.toml", "[deps]\nCSV = \"336ed68f-0bac-5ca0-87d4-7b16caf5d00b\"\n[compat]\njulia = \"1.9, 1.10\"\n"),
    ("postBuild", "#!/bin/bash\ntrue\n"),
    ("start", "#!/bin/bash\nexec \"$@\"\n"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::args().skip_while(|word| word != "--rounds").nth(1).and_then(|word| word.parse().ok());
    let rounds: u32 = rounds.unwrap_or(200);
    let labels = vec![("io.bindery.python".to_owned(), "3.11.2".to_owned())];
    let base = BaseImage { labels, ..assumed_base("bindery/stack:bench") };
    let options = PlanOptions { platform: "linux/amd64".to_owned(), ..PlanOptions::default() };
    println!("{:<10} {:>8} {:>12} {:>12} {:>12}", "files", "rounds", "median ms", "min ms", "max ms");
    for files in [10, 1_000, 20_000, 200_000] {
        let content = (0..files).map(|n| (format!("data/{}/{n}.csv", n % 97), "x"));
        let environment = ENVIRONMENT.iter().map(|(path, text)| ((*path).to_owned(), *text));
        let tree = MemoryTree::new(environment.chain(content))?;
        let mut times = Vec::new();
        let mut first = None;
        for _ in 0..rounds {
            let began = Instant::now();
            let planned = plan(&tree, &base, &options)?;
            let text =
                render_environment(&planned).dockerfile + &render_session(&planned, "environment:key").dockerfile;
            times.push(began.elapsed());
            if *first.get_or_insert_with(|| text.clone()) != text {
                return Err("the same tree gave two plans".into());
            }
        }
        times.sort_unstable();
        let at = |index: usize| times.get(index).map_or(0.0, |time: &Duration| time.as_secs_f64() * 1000.0);
        let last = times.len().saturating_sub(1);
        println!("{files:<10} {rounds:>8} {:>12.3} {:>12.3} {:>12.3}", at(last / 2), at(0), at(last));
    }
    Ok(())
}
