//! Where the requests of a connection begin and end, to the letter.
//!
//! Two readers of the same bytes must see the same requests in them. hyper takes a line of a head that ends in a bare
//! LF, and where a head has a `Content-Length` beside `Transfer-Encoding` it drops the length in silence; another
//! reader may do otherwise. So the bytes are followed here on their way to hyper, and where one must not be there,
//! [`Framed`](super::framed::Framed) has it answer 400 and close.

/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// More than this of a line is not looked at: no header that says how long a body is needs it.
const MOST_OF_A_LINE: usize = 128;

/// Follows the bytes that come over one connection.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: Spot,
    head: Head,
    line: Line,
    /// How much of the preface of HTTP/2 has come, until that is all of it or something else.
    preface: usize,
    is_begun: bool,
}

/// Where a byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Spot {
    /// In a line of a head.
    #[default]
    Head,
    /// In a body, so many bytes before its end.
    Body(u64),
    /// In the size of a chunk, of which this much is read, if any.
    Size(Option<u64>),
    /// Behind the size of a chunk, in the same line.
    Extension(u64),
    /// At the end of that line.
    SizeEnd(u64),
    /// In a chunk, so many bytes before its end.
    Chunk(u64),
    /// At the line end behind a chunk; whether its CR has come.
    ChunkEnd(bool),
    /// In a line behind the last chunk.
    Trailer,
    /// In what is no HTTP/1.
    Elsewhere,
}

/// What is known of a head.
#[derive(Debug, Default)]
struct Head {
    has_request_line: bool,
    length: Option<u64>,
    is_coded: bool,
}

/// The line that is being read, without the LF.
#[derive(Debug, Default)]
struct Line {
    start: Vec<u8>,
    length: usize,
    last: Option<u8>,
}

/// A byte that must not be there.
#[derive(Debug, PartialEq, Eq)]
struct Fault;

impl Framing {
    /// Follows `bytes`. `Err` says how many of them stand before the one at fault; nothing is to be followed after it.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut followed = 0;
        while let Some(rest) = bytes.get(followed..).filter(|rest| !rest.is_empty()) {
            followed += match self.at {
                Spot::Elsewhere => rest.len(),
                Spot::Body(left) => self.skip(left, rest, Spot::Body, Spot::Head),
                Spot::Chunk(left) => self.skip(left, rest, Spot::Chunk, Spot::ChunkEnd(false)),
                _ => {
                    let byte = rest.first().copied().unwrap_or_default();
                    self.at = self.step(byte).map_err(|Fault| followed)?;
                    1
                }
            };
        }
        Ok(())
    }

    /// Whether a request has ended, or none has begun, and nothing of the next is there.
    pub(super) fn is_between(&self) -> bool {
        self.at == Spot::Head && self.line.length == 0 && !self.head.has_request_line
    }

    /// Passes over what of `rest` belongs to the `left` bytes of a body.
    fn skip(&mut self, left: u64, rest: &[u8], more: fn(u64) -> Spot, then: Spot) -> usize {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let left = left - here as u64;
        self.at = if left == 0 { then } else { more(left) };
        here
    }

    /// Where the next byte stands, after `byte`.
    fn step(&mut self, byte: u8) -> Result<Spot, Fault> {
        match (self.at, byte) {
            (Spot::Head, _) => self.head_byte(byte),
            (Spot::Size(size), digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).ok_or(Fault)?;
                let size = size.unwrap_or_default().checked_mul(16).ok_or(Fault)?;
                Ok(Spot::Size(Some(size | u64::from(digit))))
            }
            (Spot::Size(Some(size)) | Spot::Extension(size), b'\r') => Ok(Spot::SizeEnd(size)),
            (Spot::Size(Some(size)), b' ' | b'\t' | b';') => Ok(Spot::Extension(size)),
            (Spot::Extension(size), byte) if byte != b'\n' => Ok(Spot::Extension(size)),
            (Spot::SizeEnd(0), b'\n') => Ok(Spot::Trailer),
            (Spot::SizeEnd(size), b'\n') => Ok(Spot::Chunk(size)),
            (Spot::ChunkEnd(false), b'\r') => Ok(Spot::ChunkEnd(true)),
            (Spot::ChunkEnd(true), b'\n') => Ok(Spot::Size(None)),
            (Spot::Trailer, b'\n') => {
                let line = std::mem::take(&mut self.line);
                let is_last = line.text()?.is_empty();
                Ok(if is_last { Spot::Head } else { Spot::Trailer })
            }
            (Spot::Trailer, byte) => {
                self.line.push(byte);
                Ok(Spot::Trailer)
            }
            _ => Err(Fault),
        }
    }

    fn head_byte(&mut self, byte: u8) -> Result<Spot, Fault> {
        if !self.is_begun {
            let expected = PREFACE.get(self.preface);
            self.preface += 1;
            self.is_begun = expected != Some(&byte);
            if !self.is_begun && self.preface == PREFACE.len() {
                return Ok(Spot::Elsewhere);
            }
        }
        if byte != b'\n' {
            self.line.push(byte);
            return Ok(Spot::Head);
        }
        let line = std::mem::take(&mut self.line);
        let text = line.text()?;
        match (self.head.has_request_line, text.is_empty()) {
            // Empty lines may stand before a request.
            (false, true) => {}
            (false, false) => self.head.has_request_line = true,
            (true, false) => self.head.read(text, line.is_whole())?,
            (true, true) => return Ok(std::mem::take(&mut self.head).body()),
        }
        Ok(Spot::Head)
    }
}

impl Head {
    /// Reads a line of it.
    fn read(&mut self, line: &[u8], is_whole: bool) -> Result<(), Fault> {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_coded = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(value).map_err(|_| Fault)?;
            let digits = text.trim_matches([' ', '\t']);
            let is_number = is_whole && digits.bytes().all(|byte| byte.is_ascii_digit());
            let length = digits.parse().ok().filter(|_| is_number);
            self.length = Some(length.ok_or(Fault)?);
        }
        if self.is_coded && self.length.is_some() {
            return Err(Fault);
        }
        Ok(())
    }

    /// Where the byte behind it stands. hyper takes no coding that does not end in chunks.
    fn body(self) -> Spot {
        match self.length {
            _ if self.is_coded => Spot::Size(None),
            None | Some(0) => Spot::Head,
            Some(length) => Spot::Body(length),
        }
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        if self.start.len() < MOST_OF_A_LINE {
            self.start.push(byte);
        }
        self.length += 1;
        self.last = Some(byte);
    }

    /// Whether all of it is kept.
    fn is_whole(&self) -> bool {
        self.length == self.start.len()
    }

    /// What is kept of it, without its end, which must be CRLF.
    fn text(&self) -> Result<&[u8], Fault> {
        if self.last != Some(b'\r') {
            return Err(Fault);
        }
        let length = self.start.len() - usize::from(self.is_whole());
        Ok(self.start.get(..length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is followed of `text` where it comes in pieces of the lengths that `piece` gives, and where that ends.
    fn follow(text: &[u8], mut piece: impl FnMut() -> usize) -> (Result<(), usize>, Spot) {
        let mut framing = Framing::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
            if let Err(sound) = framing.follow(now) {
                return (Err(text.len() - rest.len() + sound), framing.at);
            }
            rest = later;
        }
        (Ok(()), framing.at)
    }

    fn at_once(text: &str) -> (Result<(), usize>, Spot) {
        follow(text.as_bytes(), || usize::MAX)
    }

    const SOUND: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "PUT /a HTTP/1.1\r\ncontent-LENGTH: \t4 \r\n\r\n\n\n\n\nGET / HTTP/1.1\r\n\r\n",
        "PUT /a HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\n\n\r\na \t;x=\"y\"\r\n0123456789\r\n\
         00;last\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nExpires: never\r\nContent-Length: 3\r\n\r\n\
         GET / HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nPRI * HTTP/2.0\r\n\r\n",
    ];

    #[test]
    fn requests_are_followed_from_head_to_head() {
        for text in SOUND {
            assert_eq!(at_once(text), (Ok(()), Spot::Head), "{text:?}");
        }
        let text = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "a".repeat(100_000));
        assert_eq!(at_once(&text), (Ok(()), Spot::Head));
    }

    #[test]
    fn between_requests_nothing_of_one_is_there() {
        let text = b"PUT /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n\n";
        let mut framing = Framing::default();
        let places = text.iter().map(|byte| {
            let is_between = framing.is_between();
            framing.follow(&[*byte]).unwrap();
            is_between
        });
        assert_eq!(places.filter(|is_between| *is_between).count(), 1);
        assert!(framing.is_between());
    }

    #[test]
    fn a_fault_is_found_at_its_byte() {
        let long = " ".repeat(MOST_OF_A_LINE);
        let padded = format!("GET / HTTP/1.1\r\nContent-Length:{long}5\r|\n");
        for text in [
            "|\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1|\n\r\n",
            "GET / HTTP/1.1\r\nHost: a|\nX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n|\n",
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1|\n",
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r|\n\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y\r\ncontent-length: 3\r|\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: +3\r|\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length:\r|\n\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3|\nabc\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a|\nabc\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r|3\r\nabc\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n|\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc|\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r|\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b|\n\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n|\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000|0\r\n",
            &padded,
        ] {
            let place = text.find('|').unwrap();
            let (outcome, _) = at_once(&text.replace('|', ""));
            assert_eq!(outcome, Err(place), "{text:?}");
        }
    }

    #[test]
    fn what_follows_the_preface_of_another_protocol_is_not_looked_at() {
        let text = [PREFACE, b"\n\n\0\x01\n"].concat();
        assert_eq!(follow(&text, || 1), (Ok(()), Spot::Elsewhere));
        let late = [SOUND[0].as_bytes(), PREFACE, b"\n"].concat();
        assert_eq!(follow(&late, || 1).0, Err(late.len() - 1));
    }

    /// Texts made of what requests are made of, in any order, cut anywhere.
    #[test]
    fn it_does_not_matter_in_which_pieces_the_bytes_come() {
        const PARTS: &[&str] = &[
            "PUT /a HTTP/1.1\r\n",
            "Content-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\n",
            "X: y\r\n",
            "\r\n",
            "\n",
            "\r",
            "2\r\nab\r\n",
            "0\r\n",
            "0;x\r\n\r\n",
            "ab",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ];
        let mut seed: u32 = 1;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let mut faults = 0;
        for round in 0..20_000 {
            let mut text = if round % 2 == 0 {
                SOUND[random(SOUND.len())].to_owned()
            } else {
                String::new()
            };
            for _ in 0..random(8) {
                text.push_str(PARTS[random(PARTS.len())]);
            }
            let whole = at_once(&text);
            faults += usize::from(whole.0.is_err());
            assert_eq!(follow(text.as_bytes(), || 1 + random(7)), whole, "{text:?}");
        }
        assert!((2_000..18_000).contains(&faults), "{faults} faults");
    }
}
