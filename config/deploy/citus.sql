-- Distributes the tenants of a migrated database over the nodes of a Citus cluster: docs/operate.md, "Beyond one PostgreSQL".
-- Run it as the tables' owner, with all services stopped and after a backup. It names no table: it finds those with a
-- tenant, so it fits every release. Parts 1, 2 and 4 run in our tests on PostgreSQL; part 3 was never run by us.
BEGIN;

CREATE TEMPORARY TABLE owned ON COMMIT DROP AS
  SELECT c.oid::regclass AS place
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
  WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace;

CREATE TEMPORARY TABLE relations ON COMMIT DROP AS
  SELECT r.conname AS name, r.conrelid::regclass AS place, f.attname AS field,
         r.confrelid::regclass AS target, k.attname AS key
  FROM pg_constraint r
  JOIN pg_attribute f ON f.attrelid = r.conrelid AND f.attnum = r.conkey[1]
  JOIN pg_attribute k ON k.attrelid = r.confrelid AND k.attnum = r.confkey[1]
  WHERE r.contype = 'f' AND r.conrelid::regclass IN (SELECT place FROM owned)
    AND r.confrelid::regclass IN (SELECT place FROM owned);

-- 1. Relations between tenants' rows are taken away, to come back with the tenant in them.
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT * FROM relations LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.place, one.name);
  END LOOP;
END $$;

-- 2. The tenant comes into every unique key. Nothing else becomes possible: the keys are random, or hold a tenant's row.
DO $$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT u.conname AS name, u.conrelid::regclass AS place, u.contype,
           string_agg(quote_ident(a.attname), ', ' ORDER BY f.place) AS fields
    FROM pg_constraint u
    CROSS JOIN unnest(u.conkey) WITH ORDINALITY AS f (number, place)
    JOIN pg_attribute a ON a.attrelid = u.conrelid AND a.attnum = f.number
    WHERE u.contype IN ('p', 'u') AND u.conrelid::regclass IN (SELECT place FROM owned)
    GROUP BY u.oid, u.conname, u.conrelid, u.contype
    HAVING NOT bool_or(a.attname = 'tenant_id')
  LOOP
    EXECUTE format(
      'ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s (tenant_id, %s)', one.place, one.name, one.name,
      CASE one.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, one.fields);
  END LOOP;
  FOR one IN
    SELECT i.indexrelid::regclass AS name,
           regexp_replace(pg_get_indexdef(i.indexrelid), ' USING btree \(', ' USING btree (tenant_id, ') AS definition
    FROM pg_index i
    WHERE i.indisunique AND i.indrelid::regclass IN (SELECT place FROM owned)
      AND NOT EXISTS (SELECT FROM pg_constraint u WHERE u.conindid = i.indexrelid AND u.contype IN ('p', 'u'))
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = 'tenant_id'
                      AND a.attnum = ANY (i.indkey::smallint[]))
  LOOP
    EXECUTE format('DROP INDEX %s', one.name);
    EXECUTE one.definition;
  END LOOP;
END $$;

-- 3. Tenants and people's accounts are copied to every node, a tenant's rows lie together on one. (Not run by us.)
SELECT create_reference_table('tenants_tenant');
SELECT create_reference_table('auth_user');
SELECT create_distributed_table('tenants_member', 'tenant_id');
SELECT create_distributed_table(place, 'tenant_id', colocate_with => 'tenants_member')
FROM owned WHERE place <> 'tenants_member'::regclass;

-- 4. The relations come back.
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT * FROM relations LOOP
    EXECUTE format(
      'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (tenant_id, %I) REFERENCES %s (tenant_id, %I) DEFERRABLE INITIALLY DEFERRED',
      one.place, one.name, one.field, one.target, one.key);
  END LOOP;
END $$;

COMMIT;
