//! The web role as its clients meet it: a real server on a free loopback port over the real embedded store. What it talks to is
//! scripted: a content provider that knows a few refs, a builder and a launcher that do what each test says.
//!
//! | file | what it shows |
//! |---|---|
//! | `stream.rs` | the shapes and order of events, and their ends |
//! | `failures.rs` | each way to fail is one `failed` event |
//! | `relaunch.rs` | a browser that comes back gets the session it has |
//! | `queue.rs` | who waits for a builder is told their place |
//! | `quota.rs` | how many sessions one repository may have |
//! | `operate.rs` | builds as the operator lists and cancels them, and logs in JSON |
//! | `gate.rs` | who may start something |
//! | `resume.rs` | a dropped stream goes on where it was |
//! | `crowd.rs` | many watchers, slow ones, too many |
//! | `builds.rs` | what a build leaves behind at its permanent address |
//! | `pages.rs` | pages, links, badges and their headers |
//! | `repository.rs` | the page of a repository, and what earlier builds say of the next |
//! | `plan.rs` | the plan of a build, on the stream and at its address |
//! | `days.rs` | links that ask for the packages of a day |
//! | `openapi.rs` | the description of the API says what is answered |
//! | `programs.rs` | what other programs read: health, versions, metrics, providers, CORS |
//! | `site.rs`, `crew.rs`, `client.rs` | the site, its scripted builder and launcher, and a plain HTTP client |

#[cfg(test)]
mod builds;
#[cfg(test)]
mod client;
#[cfg(test)]
mod crew;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod days;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod relaunch;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod site;
#[cfg(test)]
mod stream;
