//! A kind as a table of DataFusion: files and journal as one, and the functions of filters.

use crate::derive::{self, Rule};
use crate::files::LiveFile;
use crate::filter::Test;
use crate::manifest::Origin;
use crate::pivot::Needle;
use crate::{Error, Groups};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, StringArray};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{
    DataType, Field, FieldRef, Float64Type, Int32Type, Int64Type, Schema as ArrowSchema, SchemaRef, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TableProviderFilterPushDown,
    Volatility,
};
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use std::sync::Arc;
use vigie_base::hash::{FastMap, table_state};
use vigie_base::{NetSet, Time};
use vigie_link::{Layout, Packed};

/// Columns whose value is one for a file: they take no byte in it.
pub(crate) const ORIGIN: [&str; 4] = ["tenant", "site", "sensor", "dataset"];

fn origin_fields() -> Vec<FieldRef> {
    ORIGIN.iter().map(|n| Arc::new(Field::new(*n, DataType::Utf8, false))).collect()
}

fn origin_values(o: &Origin) -> Vec<ScalarValue> {
    [&o.tenant, &o.site, &o.sensor, &o.dataset].map(|v| ScalarValue::Utf8(Some(v.clone()))).to_vec()
}

/// The columns of a kind's table.
pub(crate) fn table_schema(layout: &Layout) -> SchemaRef {
    let fields: Vec<FieldRef> = layout.arrow.fields().iter().cloned().chain(origin_fields()).collect();
    Arc::new(ArrowSchema::new(fields))
}

/// Some files of a kind, and some batches of it in memory.
#[derive(Debug)]
pub(crate) struct KindTable {
    pub(crate) layout: Arc<Layout>,
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<Arc<LiveFile>>,
    /// What every row that is asked for holds.
    pub(crate) needles: Vec<Needle>,
    pub(crate) tail: Vec<Arc<Packed>>,
    /// Rows that a scan may look at.
    pub(crate) rows_max: u64,
}

impl KindTable {
    pub(crate) fn new(layout: Arc<Layout>, files: Vec<Arc<LiveFile>>, tail: Vec<Arc<Packed>>, rows_max: u64) -> Self {
        KindTable { schema: table_schema(&layout), layout, files, needles: Vec::new(), tail, rows_max }
    }
}

#[async_trait]
impl TableProvider for KindTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (from, to) = filters.iter().fold((i64::MIN, i64::MAX), |span, f| bounds(f, span));
        let within = |first: Time, last: Time| (first.0 / 1000) as i64 <= to && (last.0 / 1000) as i64 >= from;
        let files = self.files.iter().filter(|f| within(f.meta.first, f.meta.last)).map(|f| (f, f.may_hold(&self.needles)));
        let files: Vec<_> = files.filter(|(_, groups)| groups.as_ref().is_none_or(|g| g.contains(&true))).collect();
        let tail: Vec<_> = self.tail.iter().filter(|p| within(p.first, p.last)).collect();
        let rows: u64 = files.iter().map(|(f, _)| f.meta.rows).sum();
        if rows > self.rows_max {
            let e = Error::TooMuch { rows, files: files.len(), limit: self.rows_max };
            return Err(DataFusionError::ResourcesExhausted(e.to_string()));
        }
        let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !files.is_empty() {
            let wanted = state.config().target_partitions().max(1);
            let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); wanted.min(files.len())];
            let n = groups.len();
            for (i, (f, may)) in files.iter().enumerate() {
                let mut p = PartitionedFile::new(String::new(), f.meta.bytes).with_partition_values(origin_values(&f.meta.origin));
                p.object_meta.location = ObjectPath::from_absolute_path(&f.path).map_err(|e| DataFusionError::External(Box::new(e)))?;
                if let Some(may) = may {
                    let mut plan = ParquetAccessPlan::new_all(may.len());
                    may.iter().enumerate().filter(|(_, m)| !**m).for_each(|(g, _)| plan.skip(g));
                    p = p.with_extension(plan);
                }
                groups[i % n].push(p);
            }
            let table = TableSchema::builder(self.layout.arrow.clone()).with_table_partition_cols(origin_fields()).build();
            let mut options = state.default_table_options().parquet;
            // Rows are filtered while they are read, but by what follows from others: those may be lists, and a file would leave such a
            // filter out without a word.
            let rules = derive::rules(self.layout.schema.kind);
            options.global.pushdown_filters =
                !filters.iter().any(|f| f.column_refs().iter().any(|c| rules.iter().any(|r| r.column == c.name)));
            let format = ParquetFormat::default().with_options(options);
            let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), format.file_source(table))
                .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
                .with_expr_adapter(Some(Arc::new(Deriving(self.layout.schema.kind))))
                .with_projection_indices(projection.cloned())?
                .build();
            plans.push(format.create_physical_plan(state, config).await?);
        }
        if !tail.is_empty() {
            let batches = tail.iter().map(|p| with_origin(p, &self.schema)).collect::<Result<Vec<_>>>()?;
            plans.push(MemorySourceConfig::try_new_exec(&[batches], self.schema.clone(), projection.cloned())?);
        }
        if plans.is_empty() {
            let schema = match projection {
                Some(p) => Arc::new(self.schema.project(p)?),
                None => self.schema.clone(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        UnionExec::try_new(plans)
    }
}

/// Takes columns of a file for columns of its kind: what follows from others ([`crate::derive`]) is made where it is asked for.
#[derive(Debug)]
struct Deriving(&'static str);

impl PhysicalExprAdapterFactory for Deriving {
    fn create(&self, logical: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let plain = DefaultPhysicalExprAdapterFactory.create(logical.clone(), file.clone())?;
        Ok(Arc::new(Derived { rules: derive::rules(self.0), logical, file, plain }))
    }
}

#[derive(Debug)]
struct Derived {
    rules: &'static [Rule],
    logical: SchemaRef,
    file: SchemaRef,
    plain: Arc<dyn PhysicalExprAdapter>,
}

impl Derived {
    /// A column as the file can give it.
    fn column(&self, name: &str, at: usize) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(rule) = self.rules.iter().find(|r| r.column == name) else {
            return self.plain.rewrite(Arc::new(Column::new(name, at)));
        };
        let kept: Arc<dyn PhysicalExpr> = match self.file.index_of(name) {
            Ok(at) => Arc::new(Column::new(name, at)),
            Err(_) => Arc::new(Literal::new(ScalarValue::try_from(&rule.data_type())?)),
        };
        let mut args = vec![kept];
        for from in rule.from {
            args.push(self.column(from, self.logical.index_of(from)?)?);
        }
        let make = ScalarUDF::from(Follows { rule, signature: Signature::any(args.len(), Volatility::Immutable) });
        Ok(Arc::new(ScalarFunctionExpr::try_new(Arc::new(make), args, &self.file, Arc::default())?))
    }
}

impl PhysicalExprAdapter for Derived {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let is_derived =
            |e: &Arc<dyn PhysicalExpr>| e.downcast_ref::<Column>().is_some_and(|c| self.rules.iter().any(|r| r.column == c.name()));
        if !expr.exists(|e| Ok(is_derived(e)))? {
            return self.plain.rewrite(expr);
        }
        let made = expr.transform_up(|e| match e.downcast_ref::<Column>() {
            Some(c) => {
                let new = if is_derived(&e) { self.column(c.name(), c.index())? } else { self.plain.rewrite(e.clone())? };
                Ok(Transformed::yes(new))
            }
            None => Ok(Transformed::no(e)),
        })?;
        Ok(made.data)
    }
}

/// What is kept of a column, or else what follows.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Follows {
    rule: &'static Rule,
    signature: Signature,
}

impl ScalarUDFImpl for Follows {
    fn name(&self) -> &str {
        "vigie_follows"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.rule.data_type())
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> = args.args.iter().map(|a| a.to_array(args.number_rows)).collect::<Result<_>>()?;
        let [kept, from @ ..] = &arrays[..] else { return Err(DataFusionError::Internal("no column".to_owned())) };
        if kept.null_count() == 0 {
            return Ok(ColumnarValue::Array(kept.clone()));
        }
        Ok(ColumnarValue::Array(self.rule.fill(kept, &self.rule.make(from, args.number_rows))?))
    }
}

fn with_origin(p: &Packed, schema: &SchemaRef) -> Result<RecordBatch> {
    let n = p.rows.num_rows();
    let mut columns = p.rows.columns().to_vec();
    for v in origin_values(&Origin::of(&p.header)) {
        columns.push(v.to_array_of_size(n)?);
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The span of `ts`, in microseconds, outside which a filter cannot hold.
fn bounds(filter: &Expr, span: (i64, i64)) -> (i64, i64) {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return span };
    if *op == Operator::And {
        return bounds(right, bounds(left, span));
    }
    let (column, value, op) = match (&**left, &**right) {
        (Expr::Column(c), Expr::Literal(v, _)) => (c, v, Some(*op)),
        (Expr::Literal(v, _), Expr::Column(c)) => (c, v, op.swap()),
        _ => return span,
    };
    if column.name != "ts" {
        return span;
    }
    // Rounded outwards: a file too many is no error.
    let (low, high) = match value {
        ScalarValue::TimestampSecond(Some(v), _) => (v.saturating_mul(1_000_000), v.saturating_mul(1_000_000)),
        ScalarValue::TimestampMillisecond(Some(v), _) => (v.saturating_mul(1000), v.saturating_mul(1000)),
        ScalarValue::TimestampMicrosecond(Some(v), _) => (*v, *v),
        ScalarValue::TimestampNanosecond(Some(v), _) => (v.div_euclid(1000), v.div_euclid(1000).saturating_add(1)),
        _ => return span,
    };
    match op {
        Some(Operator::Gt | Operator::GtEq) => (span.0.max(low), span.1),
        Some(Operator::Lt | Operator::LtEq) => (span.0, span.1.min(high)),
        Some(Operator::Eq) => (span.0.max(low), span.1.min(high)),
        _ => span,
    }
}

/// Whether one of the columns holds a value for which the test holds; never null.
pub(crate) fn tested(test: Test, columns: Vec<Expr>) -> Expr {
    ScalarUDF::from(TestFunction { test, signature: Signature::variadic_any(Volatility::Immutable) }).call(columns)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TestFunction {
    test: Test,
    signature: Signature,
}

impl ScalarUDFImpl for TestFunction {
    fn name(&self) -> &str {
        "vigie_test"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut holds = vec![false; args.number_rows];
        for a in &args.args {
            let array = a.to_array(args.number_rows)?;
            for (h, v) in holds.iter_mut().zip(test_array(&self.test, &array)) {
                *h |= v;
            }
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(holds))))
    }
}

/// For each row whether one of its values passes.
pub(crate) fn test_array(test: &Test, array: &ArrayRef) -> Vec<bool> {
    let n = array.len();
    let valid = |i: &usize| array.is_valid(*i);
    macro_rules! numbers {
        ($t:ty) => {
            match array.as_primitive_opt::<$t>() {
                Some(a) => (0..n).map(|i| valid(&i) && test.number(i128::from(a.value(i)))).collect(),
                None => vec![false; n],
            }
        };
    }
    if let Test::Equal(w) = test
        && *array.data_type() == DataType::Utf8
        && let Ok(equal) = arrow::compute::kernels::cmp::eq(array, &StringArray::new_scalar(w.as_str()))
    {
        let equal = if equal.null_count() == 0 { equal } else { prep_null_mask_filter(&equal) };
        return equal.values().iter().collect();
    }
    match array.data_type() {
        DataType::Utf8 => {
            let a = array.as_string::<i32>();
            (0..n).map(|i| valid(&i) && test.text(a.value(i))).collect()
        }
        DataType::Utf8View => {
            let a = array.as_string_view();
            (0..n).map(|i| valid(&i) && test.text(a.value(i))).collect()
        }
        DataType::Boolean => {
            let a = array.as_boolean();
            (0..n).map(|i| valid(&i) && test.boolean(a.value(i))).collect()
        }
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::Timestamp(..) => numbers!(TimestampMicrosecondType),
        DataType::Float64 => {
            let a = array.as_primitive::<Float64Type>();
            (0..n).map(|i| valid(&i) && test.fraction(a.value(i))).collect()
        }
        DataType::Dictionary(..) => {
            let Some(a) = array.as_dictionary_opt::<Int32Type>() else { return vec![false; n] };
            let words = test_array(test, a.values());
            if !words.contains(&true) {
                return vec![false; n];
            }
            let holds = |i: usize| usize::try_from(a.keys().value(i)).ok().and_then(|k| words.get(k)) == Some(&true);
            (0..n).map(|i| valid(&i) && holds(i)).collect()
        }
        DataType::List(_) => {
            let a = array.as_list::<i32>();
            let items = test_array(test, a.values());
            let mut holds = vec![false; n];
            // Few items pass: each is brought to its row.
            let o = a.value_offsets();
            let mut at = 0;
            while let Some(next) = items.get(at..).and_then(|rest| rest.iter().position(|h| *h)) {
                at += next;
                let row = o.partition_point(|end| *end as usize <= at).saturating_sub(1);
                if let Some(h) = holds.get_mut(row) {
                    *h = a.is_valid(row);
                }
                at += 1;
            }
            holds
        }
        _ => vec![false; n],
    }
}

/// `in_network(src_ip, '10.0.0.0/8')`: whether an address is in a network, in a list of them as HOME_NET is written, or in a named
/// group; null where it is no address.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct InNetwork {
    signature: Signature,
    groups: Arc<Groups>,
}

impl InNetwork {
    pub(crate) fn new(groups: Arc<Groups>) -> Self {
        InNetwork { signature: Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable), groups }
    }
}

impl ScalarUDFImpl for InNetwork {
    fn name(&self) -> &str {
        "in_network"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let (ips, nets) = (arrays[0].as_string::<i32>(), arrays[1].as_string::<i32>());
        let mut out = BooleanBuilder::with_capacity(ips.len());
        let mut last: (Option<String>, Option<NetSet>) = (None, None);
        // The same addresses come again and again.
        let mut known: FastMap<&str, Option<bool>> = FastMap::with_hasher(table_state(0));
        for (ip, net) in ips.iter().zip(nets) {
            let (Some(ip), Some(net)) = (ip, net) else {
                out.append_null();
                continue;
            };
            if last.0.as_deref() != Some(net) {
                let parsed = match self.groups.get(net) {
                    Some(group) => group.clone(),
                    None => net.parse().map_err(|e: String| DataFusionError::Execution(format!("{e}, nor the name of a group")))?,
                };
                last = (Some(net.to_owned()), Some(parsed));
                known.clear();
            }
            let is_in = || ip.parse().ok().and_then(|ip| last.1.as_ref().map(|n| n.contains(ip)));
            out.append_option(*known.entry(ip).or_insert_with(is_in));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}
