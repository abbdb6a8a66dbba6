//! An engine whose last line end comes apart from the message before it, as a busy one's does.

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use bindery_core::seams::ImageBuilder as _;
    use bindery_images::{Config, DockerImages};

    /// Answers one request; chunks of a pull's messages are written one by one.
    fn answer(stream: &mut TcpStream, pulled: &mut bool) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut request = String::new();
        reader.read_line(&mut request).ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            length = line.strip_prefix("content-length: ").and_then(|text| text.parse().ok()).unwrap_or(length);
            if line.is_empty() {
                break;
            }
        }
        std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
        let (status, chunks): (u16, &[&str]) = if request.contains("/version") {
            (200, &["{\"ApiVersion\":\"1.41\"}"])
        } else if request.starts_with("POST") {
            *pulled = true;
            (200, &["{\"status\":\"Pulling\"}\r\n{\"status\":\"Done\"}", "\r\n"])
        } else if *pulled {
            (200, &["{\"Id\":\"sha256:0\",\"Config\":{\"User\":\"1000\"}}"])
        } else {
            (404, &["{\"message\":\"no such image\"}"])
        };
        let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close";
        write!(stream, "HTTP/1.1 {status} X\r\n{head}\r\n\r\n").ok()?;
        for chunk in chunks {
            write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len()).ok()?;
        }
        write!(stream, "0\r\n\r\n").ok()
    }

    #[tokio::test]
    async fn a_line_end_apart_from_its_message_is_no_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut pulled = false;
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &mut pulled);
            }
        });
        let images = DockerImages::new(Config { docker_host: Some(host), ..Config::default() });
        let base = images.base("example/base:1").await.unwrap();
        assert_eq!((base.id.as_str(), base.user.as_str()), ("sha256:0", "1000"));
    }
}
