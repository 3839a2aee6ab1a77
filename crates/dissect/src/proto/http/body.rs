//! What becomes of a body's bytes: codings undone, files hashed, forms and refusals read.

use super::coding::{self, Decoder};
use super::exchange::Exchange;
use super::login::{FORM_MAX, Form, HINT_MAX, Hint};
use super::multipart::{Event, Multipart};
use crate::Cx;
use crate::file::{Carrier, File, FileState};
use vigie_base::Direction;
use vigie_event::Out;

/// Files told of one body; further parts are parsed and not told.
const FILES_MAX: u16 = 64;
/// Bytes kept of a form field.
const FIELD_MAX: usize = 256;

/// What the first bytes of a body are kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Urlencoded,
    Json,
    Hint,
}

impl Keep {
    fn max(self) -> usize {
        match self {
            Keep::Nothing => 0,
            Keep::Urlencoded | Keep::Json => FORM_MAX,
            Keep::Hint => HINT_MAX,
        }
    }
}

/// A body on its way.
pub(super) struct Body {
    pub(super) layers: Vec<Decoder>,
    pub(super) multipart: Option<Box<Parts>>,
    /// Whether the whole body is a file.
    pub(super) is_file: bool,
    pub(super) keep: Keep,
    file: Option<File>,
    kept: Vec<u8>,
    /// Bytes after decoding.
    entity: u64,
    /// No more of it can be known.
    stopped: bool,
    /// A failure of its coding was noted.
    noted: bool,
}

/// A body in parts.
pub(super) struct Parts {
    parser: Multipart,
    file: Option<File>,
    files: u16,
    form: Form,
    /// The form field that is open: its name, and its value so far.
    field: Option<(Vec<u8>, Vec<u8>)>,
}

impl Parts {
    pub(super) fn new(parser: Multipart) -> Self {
        Parts { parser, file: None, files: 0, form: Form::default(), field: None }
    }
}

fn carrier(ex: &Exchange) -> Carrier<'_> {
    Carrier { http: Some(ex.carrier()), ..Carrier::default() }
}

impl Body {
    pub(super) fn new() -> Self {
        Body {
            layers: Vec::new(),
            multipart: None,
            is_file: false,
            keep: Keep::Nothing,
            file: None,
            kept: Vec::new(),
            entity: 0,
            stopped: false,
            noted: false,
        }
    }

    fn begin<O: Out>(&mut self, cx: &Cx<'_, O>, dir: Direction, ex: &Exchange) {
        if self.is_file && self.file.is_none() {
            let answer = dir == Direction::ToClient;
            let mut file = File::new(&ex.file_name(answer), dir, ex.tx, cx.shared.settings.hash());
            if let Some((first, last)) = ex.part().filter(|_| answer) {
                file.part(first, last);
            }
            self.file = Some(file);
        }
    }

    /// The next bytes, chunk framing removed.
    pub(super) fn data<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, ex: &mut Exchange, bytes: &[u8]) {
        if self.stopped || bytes.is_empty() {
            return;
        }
        self.begin(cx, dir, ex);
        if self.layers.is_empty() {
            self.plain(cx, dir, ex, bytes);
        } else {
            let mut layers = std::mem::take(&mut self.layers);
            let max = cx.shared.settings.inflate_max;
            let went = coding::decode(&mut layers, bytes, &mut |piece| {
                self.plain(cx, dir, ex, piece);
                self.entity < max
            });
            if !went {
                cx.shared.counters.inflate_full += 1;
                self.stopped = true;
            }
            if let Some(gzip) = coding::failed(&layers)
                && !std::mem::replace(&mut self.noted, true)
            {
                cx.anomaly("http", if gzip { "GZIP_DECOMPRESSION_FAILED" } else { "BROTLI_DECOMPRESSION_FAILED" }, ex.tx);
            }
            self.layers = layers;
        }
        if dir == Direction::ToClient {
            ex.entity = self.entity;
        }
    }

    fn plain<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, ex: &Exchange, bytes: &[u8]) {
        self.entity += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            file.data(bytes);
        }
        let room = self.keep.max().saturating_sub(self.kept.len());
        if room > 0 {
            self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if let Some(parts) = &mut self.multipart {
            let Parts { parser, file, files, form, field } = &mut **parts;
            parser.data(bytes, &mut |event| match event {
                Event::Open { filename: Some(name), .. } => {
                    if *files < FILES_MAX {
                        *files += 1;
                        *file = Some(File::new(name, dir, ex.tx, cx.shared.settings.hash()));
                    }
                }
                Event::Open { name, .. } => *field = Some((name[..name.len().min(FIELD_MAX)].to_vec(), Vec::new())),
                Event::Data(data) => {
                    if let Some(file) = file {
                        file.data(data);
                    } else if let Some((_, value)) = field {
                        let room = FIELD_MAX.saturating_sub(value.len());
                        value.extend_from_slice(&data[..data.len().min(room)]);
                    }
                }
                Event::Close => {
                    if let Some(file) = file.take().filter(|f| f.size() > 0) {
                        file.close(cx, FileState::Closed, carrier(ex));
                    }
                    if let Some((name, value)) = field.take() {
                        form.field(&name, &value);
                    }
                }
            });
        }
    }

    /// Bytes are missing.
    pub(super) fn gap<O: Out>(&mut self, cx: &mut Cx<'_, O>, dir: Direction, ex: &mut Exchange, len: u64) {
        ex.cut = true;
        self.begin(cx, dir, ex);
        if let Some(file) = &mut self.file {
            file.gap(len);
        }
        if let Some(file) = self.multipart.as_mut().and_then(|p| p.file.as_mut()) {
            file.gap(len);
        }
        self.keep = Keep::Nothing;
        // What is encoded cannot be read on.
        self.stopped |= !self.layers.is_empty();
    }

    /// It is over: tells its files and what it says of a log-in.
    pub(super) fn close<O: Out>(mut self, cx: &mut Cx<'_, O>, ex: &mut Exchange, whole: bool) {
        ex.cut |= !whole;
        match self.keep {
            Keep::Hint => ex.hint = Hint::of(&self.kept),
            Keep::Urlencoded | Keep::Json => {
                let mut form = Form::default();
                if self.keep == Keep::Json {
                    form.json(&self.kept)
                } else {
                    form.urlencoded(&self.kept)
                }
                let secret = form.has_password();
                if let Some(attempt) = form.attempt() {
                    ex.form = Some(Box::new(attempt));
                }
                if let Some(file) = self.file.as_mut().filter(|_| secret) {
                    file.unhash();
                }
            }
            Keep::Nothing => {}
        }
        if let Some(parts) = self.multipart.take() {
            if let Some(file) = parts.file.filter(|f| f.size() > 0) {
                file.close(cx, FileState::Truncated, carrier(ex));
            }
            if let Some(attempt) = parts.form.attempt() {
                ex.form = Some(Box::new(attempt));
            }
        }
        if let Some(file) = self.file.take().filter(|f| f.size() > 0) {
            let state = if whole && !self.stopped { FileState::Closed } else { FileState::Truncated };
            file.close(cx, state, carrier(ex));
        }
    }
}

crate::held::holds! {
    Body: { layers, multipart, file, kept }
    Parts: { parser, file, form, field }
}
