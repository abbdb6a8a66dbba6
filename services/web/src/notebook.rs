//! A notebook of the repository, to be read while its session is made: `GET /builds/<id>/notebook?path=…`.
//!
//! The builder has left pictures, scripts and outputs other than text behind. What remains is told as a tree of a few kinds of
//! elements and of text; the page makes them one by one, so nothing of it is ever parsed as markup.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use bindery_core::EventBody;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};
use serde_json::{Map, Value, json};

use crate::Web;
use crate::builds::find;
use crate::error::{Said, Unavailable};
use crate::plan::first_in_log;
use crate::stream::query_value;

/// How deep elements may be in each other; what is deeper is told as its text.
const DEPTH: usize = 24;

#[utoipa::path(
    get, path = "/builds/{id}/notebook", tag = "builds", operation_id = "readNotebook",
    summary = "A notebook of the repository, to be read while its session is made",
    description = "Text and elements of a few kinds; pictures and scripts are left out.",
    params(
        ("id" = String, Path, description = "The build's id"),
        ("path" = Option<String>, Query, description = "The notebook's path in the repository"),
    ),
    responses(
        (status = 200, description = "Its cells", body = Object),
        (status = 403, description = "Not shown here", content_type = "text/html", body = String),
        (status = 404, description = "No such build, or nothing to show of that name", content(
            (Said = "application/json"),
            (String = "text/html"),
        )),
        (status = 503, description = "The service's records cannot be read now", body = Unavailable),
    ),
)]
/// `GET /builds/<id>/notebook?path=…`.
pub(crate) async fn notebook(request: HttpRequest, web: web::Data<Web>, id: web::Path<String>) -> HttpResponse {
    let (id, _) = match find(&web, &id).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let path = query_value(request.query_string(), "path").unwrap_or_default();
    let kept = |body: &EventBody| body.notebooks.clone();
    match first_in_log(&web, id, kept).await {
        Ok(found) => match found.as_ref().and_then(|all| all.get(path.as_str())) {
            Some(notebook) => {
                HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(shown(&path, notebook))
            }
            None => HttpResponse::NotFound()
                .insert_header((CACHE_CONTROL, "no-cache"))
                .json(Said::new("Nothing can be shown of a notebook of that name.")),
        },
        Err(error) => {
            tracing::error!(build = %id, "a notebook cannot be read: {error}");
            HttpResponse::ServiceUnavailable().json(Unavailable { fault: error.into() })
        }
    }
}

fn shown(path: &str, notebook: &Value) -> Value {
    let cells = notebook.get("cells").and_then(Value::as_array).into_iter().flatten();
    let cells: Vec<Value> = cells
        .map(|cell| {
            let text = cell.get("text").and_then(Value::as_str).unwrap_or_default();
            match cell.get("kind").and_then(Value::as_str) {
                Some("markdown") => json!({"kind": "markdown", "nodes": nodes(text)}),
                _ => json!({"kind": "code", "text": text, "outputs": cell.get("outputs")}),
            }
        })
        .collect();
    json!({"path": path, "language": notebook.get("language"), "cells": cells, "cut": notebook.get("cut")})
}

/// An element that is not complete.
struct Open {
    /// None for what is left out while its children are told.
    tag: Option<&'static str>,
    href: Option<String>,
    children: Vec<Value>,
}

/// Markdown as text and elements: `"text"`, or `{"tag": "p", "children": […]}`, a link with its `href`.
fn nodes(markdown: &str) -> Vec<Value> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut stack = vec![Open { tag: None, href: None, children: Vec::new() }];
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(tag) => {
                let deep = stack.len() > DEPTH;
                let (tag, href) = if deep { (None, None) } else { element(&tag) };
                stack.push(Open { tag, href, children: Vec::new() });
            }
            Event::End(_) => close(&mut stack),
            Event::Text(text) | Event::InlineHtml(text) | Event::Html(text) => add(&mut stack, json!(text.as_ref())),
            Event::Code(text) => add(&mut stack, json!({"tag": "code", "children": [text.as_ref()]})),
            Event::SoftBreak => add(&mut stack, json!("\n")),
            Event::HardBreak => add(&mut stack, json!({"tag": "br", "children": []})),
            Event::Rule => add(&mut stack, json!({"tag": "hr", "children": []})),
            Event::InlineMath(text) | Event::DisplayMath(text) => add(&mut stack, json!(text.as_ref())),
            Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }
    while stack.len() > 1 {
        close(&mut stack);
    }
    stack.pop().map(|root| root.children).unwrap_or_default()
}

fn add(stack: &mut [Open], node: Value) {
    if let Some(open) = stack.last_mut() {
        open.children.push(node);
    }
}

fn close(stack: &mut Vec<Open>) {
    let Some(done) = stack.pop() else { return };
    let Some(outer) = stack.last_mut() else { return };
    let Some(tag) = done.tag else { return outer.children.extend(done.children) };
    let mut node = Map::new();
    node.insert("tag".to_owned(), json!(tag));
    if let Some(href) = done.href {
        node.insert("href".to_owned(), json!(href));
    }
    node.insert("children".to_owned(), Value::Array(done.children));
    outer.children.push(Value::Object(node));
}

/// The element for a part of Markdown, and where it leads. Headings are below those of the page.
fn element(tag: &Tag<'_>) -> (Option<&'static str>, Option<String>) {
    let plain = |tag| (Some(tag), None);
    match tag {
        Tag::Paragraph => plain("p"),
        Tag::Heading { level, .. } => plain(match level {
            HeadingLevel::H1 => "h3",
            HeadingLevel::H2 => "h4",
            HeadingLevel::H3 => "h5",
            _ => "h6",
        }),
        Tag::BlockQuote(_) => plain("blockquote"),
        Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => plain("pre"),
        Tag::List(None) => plain("ul"),
        Tag::List(Some(_)) => plain("ol"),
        Tag::Item => plain("li"),
        Tag::Table(_) => plain("table"),
        Tag::TableHead | Tag::TableRow => plain("tr"),
        Tag::TableCell => plain("td"),
        Tag::Emphasis => plain("em"),
        Tag::Strong => plain("strong"),
        Tag::Strikethrough => plain("del"),
        Tag::Link { dest_url, .. } => match web_address(dest_url) {
            Some(address) => (Some("a"), Some(address)),
            // To another file of the repository, which is not here; or to something no link should do.
            None => (None, None),
        },
        // An image is told by its description: a picture from elsewhere would tell elsewhere who looks.
        _ => (None, None),
    }
}

fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::nodes;

    #[test]
    fn markdown_becomes_elements_and_text() {
        assert_eq!(
            json!(nodes(
                "# Title\n\nSome *text*, **strong** and `code`,\n[a link](https://example.org/a?b=c).\n\n- one\n- two\n"
            )),
            json!([
                {"tag": "h3", "children": ["Title"]},
                {"tag": "p", "children": [
                    "Some ", {"tag": "em", "children": ["text"]}, ", ", {"tag": "strong", "children": ["strong"]}, " and ",
                    {"tag": "code", "children": ["code"]}, ",", "\n",
                    {"tag": "a", "href": "https://example.org/a?b=c", "children": ["a link"]}, ".",
                ]},
                {"tag": "ul", "children": [{"tag": "li", "children": ["one"]}, {"tag": "li", "children": ["two"]}]},
            ])
        );
        assert_eq!(json!(nodes("```python\nx < 1\n```")), json!([{"tag": "pre", "children": ["x < 1\n"]}]));
        let table = json!(nodes("|a|b|\n|-|-|\n|1|2|\n")).to_string();
        assert_eq!((table.matches("\"tr\"").count(), table.matches("\"td\"").count()), (2, 4));
    }

    #[test]
    fn markup_is_text_and_a_link_leads_to_a_web_page_or_nowhere() {
        let hostile = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<b onclick=x>bold</b>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,x)",
            "[x](vbscript:x)",
            "<javascript:alert(1)>",
            "[x](file:///etc/passwd)",
            "[x](//evil.example/x)",
            "[x](other.ipynb)",
            "![beacon](https://evil.example/x.png)",
            "[x]: javascript:alert(1)\n\n[x]",
        ];
        for text in hostile {
            let told = json!(nodes(text)).to_string();
            for refused in ["href", "\"img\"", "\"script\"", "onerror\":"] {
                assert!(!told.contains(refused), "{text}: {told}");
            }
        }
        assert!(json!(nodes("![a picture](x.png)")).to_string().contains("a picture"));
        assert!(
            json!(nodes("a <b>bold</b> word")).to_string().contains("<b>"),
            "what is no Markdown is shown as it is"
        );
    }

    #[test]
    fn deep_nesting_ends() {
        let told = json!(nodes(&format!("{}x", "> ".repeat(2000)))).to_string();
        assert!(told.contains('x') && told.matches("blockquote").count() <= super::DEPTH, "{told}");
    }

    fn is_plain(node: &Value) -> bool {
        const TAGS: [&str; 21] = [
            "p",
            "h3",
            "h4",
            "h5",
            "h6",
            "blockquote",
            "pre",
            "ul",
            "ol",
            "li",
            "table",
            "tr",
            "td",
            "em",
            "strong",
            "del",
            "a",
            "code",
            "br",
            "hr",
            "",
        ];
        match node {
            Value::String(_) => true,
            Value::Object(node) => {
                TAGS.contains(&node["tag"].as_str().unwrap())
                    && node.get("href").is_none_or(|href| href.as_str().unwrap().starts_with("http"))
                    && node["children"].as_array().unwrap().iter().all(is_plain)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_known_elements_only(text in "[\\[\\]()<>a-z:/!*_`#|>\\n -]{0,80}|\\PC{0,60}") {
            prop_assert!(nodes(&text).iter().all(is_plain));
        }
    }
}
