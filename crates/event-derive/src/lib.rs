//! `#[derive(Record)]` and `#[derive(Group)]`: from one declaration of an event's fields come its columns, its row view,
//! its EVE writer, its privacy classes and its documentation.
//!
//! ```text
//! /// One doc line of the kind.
//! #[derive(Record)]
//! #[record(kind = "dns")]                     // the event_type; also: object = "...", internal, app_proto, tx
//! pub struct Dns<'a> {
//!     /// One doc line of the field.
//!     #[field(key = "type", class = "personal", keyword = "dns.query", place = "vigie")]
//!     pub kind: &'a str,
//! }
//! ```
//!
//! `key` defaults to the field's name, `class` to `public`, `place` to the kind's own object (`vigie`: the object of what
//! Suricata does not write; `top`: the event itself; `hidden`: in columns only). The row view of `Dns` is `DnsRow`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::{Attribute, Data, DeriveInput, Fields, LitStr, parse_macro_input};

/// A kind of event: implements `Record` and makes the row view `<Name>Row`.
#[proc_macro_derive(Record, attributes(record, field))]
pub fn record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(parse_macro_input!(input as DeriveInput), true).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// A group of fields inside a record, alone or in a list: implements `Value` and makes the row view `<Name>Row`.
#[proc_macro_derive(Group, attributes(field))]
pub fn group(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand(parse_macro_input!(input as DeriveInput), false).unwrap_or_else(syn::Error::into_compile_error).into()
}

struct FieldDecl {
    name: Ident,
    ty: TokenStream,
    key: String,
    class: Ident,
    place: Ident,
    keyword: TokenStream,
    doc: String,
}

fn expand(input: DeriveInput, is_record: bool) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let row = format_ident!("{}Row", name);
    let vis = &input.vis;
    let doc = docs(&input.attrs);
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(name, "a record is a struct with named fields"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(syn::Error::new_spanned(name, "a record is a struct with named fields"));
    };
    let mut fields = Vec::new();
    for f in &named.named {
        fields.push(field(f)?);
    }
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let declared = fields.iter().map(|f| {
        let FieldDecl { name, ty, key, class, place, keyword, doc } = f;
        let name = name.to_string();
        let json = format!("\"{key}\":");
        quote!(::vigie_event::Field {
            name: #name, key: #key, json_key: #json, ty: <#ty as ::vigie_event::Value>::TYPE,
            class: ::vigie_event::Class::#class, place: ::vigie_event::Place::#place, keyword: #keyword, doc: #doc,
        })
    });
    let names: Vec<_> = fields.iter().map(|f| &f.name).collect();
    let index: Vec<_> = (0..fields.len()).collect();
    let accessors = fields.iter().enumerate().map(|(i, f)| {
        let FieldDecl { name, ty, doc, .. } = f;
        quote! {
            #[doc = #doc]
            #[inline]
            pub fn #name(&self) -> <#ty as ::vigie_event::Value>::View<'b> {
                <#ty as ::vigie_event::Value>::view(&self.cols[#i], self.at)
            }
        }
    });
    let row_doc = format!("A row of [`{name}`] in a batch.");
    let view = quote! {
        #[doc = #row_doc]
        #[derive(Clone, Copy)]
        #vis struct #row<'b> { cols: &'b [::vigie_event::Column], at: usize }
        impl<'b> #row<'b> { #(#accessors)* }
    };
    let count = fields.len();
    let body = if is_record {
        let Options { kind, object, internal, app_proto, tx } = options(&input.attrs, name)?;
        quote! {
            #view
            impl<'b> #row<'b> {
                /// The view of `row`, where it is of this kind.
                #[inline]
                pub fn of(row: ::vigie_event::Row<'b>) -> Option<Self> {
                    let (cols, at) = row.columns_of(<#name as ::vigie_event::Record>::schema())?;
                    Some(#row { cols, at })
                }
            }
            const _: () = {
                static FIELDS: [::vigie_event::Field; #count] = [#(#declared),*];
                static SCHEMA: ::vigie_event::Schema = ::vigie_event::Schema {
                    kind: #kind, object: #object, doc: #doc, fields: &FIELDS,
                    internal: #internal, app_proto: #app_proto, tx: #tx,
                };
                impl #impl_generics ::vigie_event::Record for #name #ty_generics #where_clause {
                    const KIND: &'static str = #kind;
                    fn schema() -> &'static ::vigie_event::Schema { &SCHEMA }
                    #[inline]
                    fn append(&self, cols: &mut [::vigie_event::Column]) {
                        #(::vigie_event::Value::push(&self.#names, &mut cols[#index]);)*
                    }
                }
            };
        }
    } else {
        quote! {
            #view
            const _: () = {
                static FIELDS: [::vigie_event::Field; #count] = [#(#declared),*];
                impl #impl_generics ::vigie_event::Value for #name #ty_generics #where_clause {
                    const TYPE: ::vigie_event::Type = ::vigie_event::Type::Group(&FIELDS);
                    type View<'b> = #row<'b>;
                    #[inline]
                    fn push(&self, column: &mut ::vigie_event::Column) {
                        let cols = column.group_mut();
                        #(::vigie_event::Value::push(&self.#names, &mut cols[#index]);)*
                    }
                    #[inline]
                    fn view<'b>(column: &'b ::vigie_event::Column, at: usize) -> #row<'b> {
                        #row { cols: column.group(), at }
                    }
                }
                impl #impl_generics ::vigie_event::Item for #name #ty_generics #where_clause {}
            };
        }
    };
    Ok(body)
}

struct Options {
    kind: String,
    object: String,
    internal: bool,
    app_proto: bool,
    tx: bool,
}

fn options(attrs: &[Attribute], name: &Ident) -> syn::Result<Options> {
    let mut o = Options { kind: String::new(), object: String::new(), internal: false, app_proto: false, tx: false };
    for a in attrs.iter().filter(|a| a.path().is_ident("record")) {
        a.parse_nested_meta(|m| {
            if m.path.is_ident("kind") {
                o.kind = m.value()?.parse::<LitStr>()?.value();
            } else if m.path.is_ident("object") {
                o.object = m.value()?.parse::<LitStr>()?.value();
            } else if m.path.is_ident("internal") {
                o.internal = true;
            } else if m.path.is_ident("app_proto") {
                o.app_proto = true;
            } else if m.path.is_ident("tx") {
                o.tx = true;
            } else {
                return Err(m.error("known here: kind, object, internal, app_proto, tx"));
            }
            Ok(())
        })?;
    }
    if o.kind.is_empty() {
        return Err(syn::Error::new_spanned(name, "say #[record(kind = \"...\")]"));
    }
    if o.object.is_empty() {
        o.object = o.kind.clone();
    }
    Ok(o)
}

fn field(f: &syn::Field) -> syn::Result<FieldDecl> {
    let name = f.ident.clone().ok_or_else(|| syn::Error::new_spanned(f, "a field has a name"))?;
    let ty = &f.ty;
    let mut d = FieldDecl {
        key: name.to_string().trim_start_matches("r#").to_owned(),
        name,
        ty: forever(quote!(#ty)),
        class: Ident::new("Public", Span::call_site()),
        place: Ident::new("Object", Span::call_site()),
        keyword: quote!(None),
        doc: docs(&f.attrs),
    };
    for a in f.attrs.iter().filter(|a| a.path().is_ident("field")) {
        a.parse_nested_meta(|m| {
            let value: LitStr = m.value()?.parse()?;
            let text = value.value();
            let pick = |names: &[&str], variants: &[&str]| {
                names
                    .iter()
                    .position(|n| *n == text)
                    .map(|i| Ident::new(variants[i], Span::call_site()))
                    .ok_or_else(|| syn::Error::new_spanned(&value, format!("one of {}", names.join(", "))))
            };
            if m.path.is_ident("key") {
                d.key = text;
            } else if m.path.is_ident("class") {
                d.class = pick(&["public", "personal", "identifier", "secret"], &["Public", "Personal", "Identifier", "Secret"])?;
            } else if m.path.is_ident("place") {
                d.place = pick(&["object", "vigie", "top", "hidden"], &["Object", "Vigie", "Top", "Hidden"])?;
            } else if m.path.is_ident("keyword") {
                d.keyword = quote!(Some(#text));
            } else {
                return Err(m.error("known here: key, class, place, keyword"));
            }
            Ok(())
        })?;
    }
    if d.doc.is_empty() {
        return Err(syn::Error::new_spanned(f, "say in one doc line what the field means"));
    }
    Ok(d)
}

/// The doc comment as one line.
fn docs(attrs: &[Attribute]) -> String {
    let mut out = String::new();
    for a in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let syn::Meta::NameValue(nv) = &a.meta
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(s), .. }) = &nv.value
        {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(s.value().trim());
        }
    }
    out
}

/// The same type with every lifetime `'static`: what a static declaration can name.
fn forever(ts: TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    let mut tick = false;
    for t in ts {
        match t {
            TokenTree::Group(g) => out.push(TokenTree::Group(proc_macro2::Group::new(g.delimiter(), forever(g.stream())))),
            TokenTree::Ident(_) if tick => out.push(TokenTree::Ident(Ident::new("static", Span::call_site()))),
            other => {
                tick = matches!(&other, TokenTree::Punct(p) if p.as_char() == '\'');
                out.push(other);
                continue;
            }
        }
        tick = false;
    }
    out.into_iter().collect()
}
