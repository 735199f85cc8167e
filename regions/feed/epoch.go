package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"fairlead/regions"
)

// appendEpoch writes an epoch into a slot of fixed width.
func appendEpoch(b []byte, e regions.SignedEpoch) ([]byte, error) {
	if err := fits(e); err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint64(b, e.Epoch.Incarnation)
	b = binary.BigEndian.AppendUint64(b, e.Epoch.Number)
	b = appendText(b, string(e.Database), textBytes)
	b = appendText(b, string(e.Epoch.Writer), textBytes)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Signature)))
	b = append(b, e.Signature...)
	b = append(b, make([]byte, maxSignature-len(e.Signature))...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Chain)))
	for i := range maxChain {
		n := 0
		if i < len(e.Chain) {
			n = len(e.Chain[i])
		}
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	end := len(b) + maxCertificates
	for _, c := range e.Chain {
		b = append(b, c...)
	}
	return append(b, make([]byte, end-len(b))...), nil
}

// fits reports why an epoch cannot travel by the feed, if so.
func fits(e regions.SignedEpoch) error {
	total := 0
	for _, c := range e.Chain {
		total += len(c)
	}
	switch {
	case len(e.Database) > textBytes || len(e.Epoch.Writer) > textBytes:
		return fmt.Errorf("epoch of %s: a name is longer than %d bytes", e.Database, textBytes)
	case len(e.Signature) > maxSignature:
		return fmt.Errorf("epoch of %s: the signature has %d bytes, more than %d", e.Database, len(e.Signature), maxSignature)
	case len(e.Chain) > maxChain || total > maxCertificates:
		return fmt.Errorf("epoch of %s: %d certificates of %d bytes in all, more than %d of %d", e.Database, len(e.Chain), total, maxChain, maxCertificates)
	}
	return nil
}

var errEpoch = errors.New("an epoch's lengths do not fit its slot")

// decodeEpoch reads a slot. Whether the epoch is genuine is not asked here.
func decodeEpoch(b []byte) (regions.SignedEpoch, error) {
	e := regions.SignedEpoch{Database: regions.DatabaseID(text(b[16:], textBytes)),
		Epoch: regions.Epoch{Incarnation: binary.BigEndian.Uint64(b), Number: binary.BigEndian.Uint64(b[8:]), Writer: regions.ID(text(b[16+textBytes:], textBytes))}}
	b = b[16+2*textBytes:]
	n := int(binary.BigEndian.Uint16(b))
	if n > maxSignature {
		return e, errEpoch
	}
	e.Signature = bytes.Clone(b[2 : 2+n])
	b = b[2+maxSignature:]
	count := int(binary.BigEndian.Uint16(b))
	if count > maxChain {
		return e, errEpoch
	}
	lengths, certificates := b[2:], b[2+2*maxChain:]
	certificates = certificates[:maxCertificates]
	for i := range count {
		n := int(binary.BigEndian.Uint16(lengths[2*i:]))
		if n > len(certificates) {
			return e, errEpoch
		}
		e.Chain = append(e.Chain, bytes.Clone(certificates[:n]))
		certificates = certificates[n:]
	}
	return e, nil
}
