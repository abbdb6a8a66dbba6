//! `/repositories/<provider>/<repository>`: what was built of a repository, of what, and how to launch it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::seams::StoreError;
use bindery_core::{BuildRecord, BuildState, Date, Provenance, RepoSpec, Timestamp};
use bindery_frontend::{BuildRow, EnvironmentRows, RepositoryPage, Row};
use serde_json::Value;

use crate::badge::badges;
use crate::history::duration;
use crate::{Web, pages, providers};

/// How many builds are shown.
const SHOWN: usize = 20;
/// How much of a fault is shown; its log has the rest.
const FAULT_CHARS: usize = 300;

/// Where the page of a repository is, below the site's path.
pub(crate) fn path(spec: &RepoSpec) -> String {
    format!("repositories/{}", spec.repository_path())
}

/// `GET /repositories/<provider>/<repository>`. Contacts nobody and starts nothing.
pub(crate) async fn page(request: HttpRequest, web: web::Data<Web>) -> HttpResponse {
    let base = web.config.base_path();
    let tail = request.uri().path().strip_prefix(&format!("{base}repositories/")).unwrap_or_default();
    let (provider, raw) = tail.split_once('/').unwrap_or((tail, ""));
    let spec = match RepoSpec::parse_repository(provider, raw) {
        Ok(spec) => spec,
        Err(error) => return pages::bad_link(&web, &error),
    };
    // A link's ref that was left in, or another way to write the same.
    if format!("{base}{}", path(&spec)) != request.uri().path() {
        return HttpResponse::Found().insert_header((LOCATION, format!("{base}{}", path(&spec)))).finish();
    }
    if let Err(fault) = web.policy.link(&spec) {
        return pages::forbidden(&web, &fault);
    }
    match web.repository_page(&spec).await {
        Ok(page) => pages::respond(StatusCode::OK, &page.shell.nonce, web.pages.render_repository(&page)),
        Err(error) => {
            tracing::error!("the builds of a repository cannot be read: {error}");
            let title = "The service's records cannot be read";
            let hint = Some("Try again in a moment.");
            pages::error_page(&web, StatusCode::SERVICE_UNAVAILABLE, title, "Nothing is lost.", hint)
        }
    }
}

impl Web {
    async fn repository_page(&self, spec: &RepoSpec) -> Result<RepositoryPage, StoreError> {
        let records = self.builds_of(spec, SHOWN).await?;
        let mut builds = Vec::new();
        for record in &records {
            builds.push(self.row(record).await?);
        }
        let mut environment = None;
        for record in records.iter().filter(|record| matches!(record.state, BuildState::Built { .. })) {
            if let Some(provenance) = self.provenances.provenance(record.id).await? {
                let address = format!("{}builds/{}", self.config.base_path(), record.id);
                environment = Some(environment_rows(&provenance, address));
                break;
            }
        }
        let public_url = self.config.public_url();
        Ok(RepositoryPage {
            shell: self.shell(),
            provider_name: spec.provider.display_name().to_owned(),
            repository: spec.repository.clone(),
            repository_url: Some(providers::page(spec, &self.config)),
            launch_url: format!("{}v2/{spec}", self.config.base_path()),
            builds,
            environment,
            badge: badges(&public_url, &format!("v2/{spec}")),
        })
    }

    async fn row(&self, record: &BuildRecord) -> Result<BuildRow, StoreError> {
        let (id, resolved) = (record.id, &record.request.resolved);
        let base = self.config.base_path();
        let (result, name) = match &record.state {
            BuildState::Queued => ("queued", "Waiting"),
            BuildState::Running { .. } => ("running", "At work"),
            BuildState::Built { .. } => ("built", "Built"),
            BuildState::Failed { .. } => ("failed", "Failed"),
        };
        let fault = match &record.state {
            BuildState::Failed { fault, .. } => Some(fault.to_string().chars().take(FAULT_CHARS).collect()),
            _ => None,
        };
        let is_named =
            resolved.spec.provider.has_refs() && resolved.spec.reference.as_str() != resolved.revision.as_str();
        Ok(BuildRow {
            at: instant(record.created),
            at_text: spoken(record.created),
            git_ref: is_named.then(|| resolved.spec.reference.to_string()),
            revision: resolved.revision.short().to_owned(),
            revision_url: resolved.ref_url.clone(),
            as_of: record.request.as_of.map(|day| day.to_string()),
            result: result.to_owned(),
            result_name: name.to_owned(),
            took: self.took(record).await?.map(duration),
            fault,
            log_url: format!("{base}builds/{id}/log"),
            launch_url: format!("{base}{}", record.request.persistent_request()),
        })
    }
}

/// What an image was made of. A record may be of another version of this program: what is not as it should be is left out.
fn environment_rows(provenance: &Provenance, records_url: String) -> EnvironmentRows {
    let plan = &provenance.plan;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut languages: Vec<Row> = [("Python", "python"), ("R", "r"), ("Julia", "julia")]
        .into_iter()
        .filter_map(|(name, key)| {
            let choice = plan.get(key)?;
            Some(Row { name: name.to_owned(), value: text(choice.get("version"))?, why: text(choice.get("source")) })
        })
        .collect();
    if let Some(day) = plan.get("as_of").and_then(|day| text(day.get("date"))) {
        languages.push(Row { name: "Packages of".to_owned(), value: day, why: None });
    }
    let rows = |list: &str, why: &str| {
        let all = plan.get(list).and_then(Value::as_array).into_iter().flatten();
        let row = |one: &Value| Some(Row { name: text(one.get("file"))?, value: text(one.get(why))?, why: None });
        all.filter_map(row).collect::<Vec<_>>()
    };
    let packages = provenance.bill_of_materials.as_ref().and_then(|bill| bill.get("components")?.as_array());
    EnvironmentRows {
        revision: provenance.commit.as_deref().map(|commit| commit.chars().take(7).collect()),
        languages,
        used: rows("used", "for"),
        ignored: rows("ignored", "reason"),
        notes: plan
            .get("notes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|note| text(Some(note)))
            .collect(),
        base: provenance.base.name.clone(),
        base_digest: provenance.base.digest.clone(),
        bindery: provenance.bindery.clone(),
        dockerfile: text(plan.get("dockerfile")),
        packages: packages.map(Vec::len),
        records_url,
    }
}

/// `2026-11-23T02:52:12Z`.
fn instant(at: Timestamp) -> String {
    let seconds = at.as_seconds() % 86_400;
    let day = Date::of(at).map(|day| day.to_string()).unwrap_or_default();
    format!("{day}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-11-23 02:52 UTC`.
fn spoken(at: Timestamp) -> String {
    let text = instant(at);
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

#[cfg(test)]
mod tests {
    use bindery_core::{BaseRecord, Provenance, Timestamp};
    use serde_json::json;

    use super::{environment_rows, instant, spoken};

    #[test]
    fn instants_are_for_people_and_for_programs() {
        let at = Timestamp::from_seconds(1_709_251_199);
        assert_eq!((instant(at).as_str(), spoken(at).as_str()), ("2024-02-29T23:59:59Z", "2024-02-29 23:59 UTC"));
    }

    #[test]
    fn a_record_that_is_not_as_it_should_be_shows_what_is() {
        let plan = json!({
            "python": {"version": "3.11", "source": "runtime.txt:1"}, "r": {"version": 4}, "julia": null, "as_of": "x",
            "used": [{"file": "requirements.txt", "for": "Python packages"}, {"file": 1}, "x"], "ignored": {}, "notes": ["a", 1],
        });
        let base = BaseRecord { name: "base:1".to_owned(), digest: "sha256:0".to_owned() };
        let provenance = Provenance {
            bindery: "0.1.0".to_owned(),
            recipe: "1".to_owned(),
            repository: String::new(),
            reference: String::new(),
            commit: Some("0123456789".to_owned()),
            base,
            environment: None,
            plan,
            bill_of_materials: Some(json!({"components": "none"})),
        };
        let rows = environment_rows(&provenance, "/builds/b".to_owned());
        assert_eq!(rows.languages.len(), 1);
        assert_eq!((rows.languages[0].name.as_str(), rows.languages[0].value.as_str()), ("Python", "3.11"));
        assert_eq!((rows.used.len(), rows.ignored.len(), rows.packages), (1, 0, None));
        assert_eq!((rows.notes, rows.revision), (vec!["a".to_owned()], Some("0123456".to_owned())));
    }
}
