//! The folder as a port of the engine. An object is copied in pieces, whatever its size.

use std::fs::File;
use std::io::{self, Read};

use super::io::during;
use super::key::Key;
use super::{FsObjects, PutOptions};
use crate::engine::ports::Blobs;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

const PIECE: usize = 256 * 1024;

/// An object that is open for reading: the version that stood when it was asked for, also where another
/// takes its place meanwhile.
#[derive(Debug)]
pub struct OpenObject {
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub size: u64,
}

impl FsObjects {
    /// The object under `key`, open for reading.
    pub async fn open_object(&self, key: &str) -> Result<Option<OpenObject>> {
        const OPERATION: &str = "get an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let found = area.open_object(OPERATION, &key)?;
            Ok(found.map(|open| OpenObject {
                file: open.file,
                size: open.size,
            }))
        })
        .await
    }

    /// Puts everything that `data` reads under `key`, in place of what was there. Where reading fails, what
    /// was there stays.
    pub async fn put_from<R>(&self, key: &str, mut data: R, options: PutOptions) -> Result<()>
    where
        R: Read + Send + 'static,
    {
        const OPERATION: &str = "put an object";
        let key = Key::parse(OPERATION, key)?;
        self.run(OPERATION, move |area| {
            let name = key.as_str().to_owned();
            let mut writer = area.begin_put(OPERATION, key)?;
            let mut piece = vec![0; PIECE];
            loop {
                let read = match data.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map_err(during(OPERATION, &name))?,
                };
                match piece.get(..read) {
                    Some(bytes) if read > 0 => writer.write(bytes)?,
                    _ => return writer.commit(&options),
                }
            }
        })
        .await
    }
}

impl Blobs for FsObjects {
    type Data = OpenObject;

    async fn has(&self, key: &Text) -> Result<bool> {
        FsObjects::has(self, &utf8(key)?).await
    }

    async fn get(&self, key: &Text) -> Result<Option<OpenObject>> {
        self.open_object(&utf8(key)?).await
    }

    async fn put(&self, blob: &Blob, data: OpenObject) -> Result<()> {
        let options = PutOptions {
            content_type: blob.mime_type.as_ref().map(ToString::to_string),
            metadata: None,
        };
        self.put_from(&utf8(&blob.key)?, data.file, options).await
    }
}

fn utf8(key: &Text) -> Result<String> {
    key.to_utf8().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidKey,
            "name an object",
            format!("{key:?} is not well-formed Unicode; use another key"),
        )
    })
}
